"""The faults that are switched on, and what they make of each answer."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from ironforge_cli.sandbox.answers import WITHOUT_BODY, Delivery, Reply
from ironforge_cli.sandbox.faults import ENDPOINTS, FAULTS, Aim, Edition, Fault, Scene

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ironforge_cli.regions import Region
    from ironforge_cli.sandbox.world import Publication, World


@dataclass(slots=True)
class _Active:
    """One fault that is switched on, and how often it met and struck an answer."""

    aim: Aim
    fault: Fault
    at_set: Mapping[Region, Publication]
    met: int = 0
    struck: int = 0

    @property
    def is_over(self) -> bool:
        return self.aim.count is not None and self.struck >= self.aim.count

    def concerns(self, *, region: Region | None, endpoint: str, path: str) -> bool:
        """Whether a request of that kind is among those aimed at."""
        aim = self.aim
        at_endpoint = endpoint == aim.endpoint if aim.endpoint else self.fault.strikes(endpoint)
        return (
            at_endpoint
            and (aim.region is None or aim.region is region)
            and (aim.path is None or path.endswith(aim.path))
        )


class ActiveFaults:
    """Faults in the order in which they were set; the first that concerns an answer strikes it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._active: list[_Active] = []

    def set(self, aim: Aim) -> None:
        """Switch a fault on; raises `ValueError` for one that doesn't exist or can't be aimed so."""
        fault = FAULTS.get(aim.name)
        if fault is None:
            raise ValueError(f"no fault is called {aim.name!r}; there are {', '.join(FAULTS)}")
        if aim.endpoint is not None and aim.endpoint not in ENDPOINTS:
            raise ValueError(f"no endpoint is called {aim.endpoint!r}; there are {', '.join(ENDPOINTS)}")
        if fault.republish is not None and aim.endpoint not in (None, "commodities"):
            raise ValueError(f"{aim.name!r} is a fault of commodities alone")
        self._world.chosen(aim.region)
        at_set = {region: self._world.publications(region)[0] for region in self._world.regions}
        with self._lock:
            self._active.append(_Active(aim=aim, fault=fault, at_set=at_set))

    def clear(self, name: str | None = None, *, region: Region | None = None) -> None:
        """Switch off every fault, or those of one name, or those aimed at one region.

        Raises `ValueError` for a region that isn't here.
        """
        self._world.chosen(region)
        with self._lock:
            self._active = [
                one
                for one in self._active
                if (name is not None and one.aim.name != name) or (region is not None and one.aim.region is not region)
            ]

    @property
    def aims(self) -> list[Aim]:
        """What is switched on and not yet used up."""
        with self._lock:
            return [one.aim for one in self._active if not one.is_over]

    def applied(
        self,
        *,
        region: Region | None,
        endpoint: str,
        path: str,
        answer: Reply,
        republished: Callable[[Edition], Reply],
    ) -> tuple[Reply, str | None]:
        """Return what becomes of an answer, and the name of the fault that struck it.

        `republished` makes the answer anew from another edition of the auctions.
        """
        for one in self._concerned(region=region, endpoint=endpoint, path=path):
            changed = self._changed(one, region=region, answer=answer, republished=republished)
            if changed is not None and self._strikes(one):
                return changed, one.aim.name
        return answer, None

    def _concerned(self, *, region: Region | None, endpoint: str, path: str) -> list[_Active]:
        with self._lock:
            self._active = [one for one in self._active if not one.is_over]
            return [one for one in self._active if one.concerns(region=region, endpoint=endpoint, path=path)]

    def _strikes(self, one: _Active) -> bool:
        with self._lock:
            one.met += 1
            if one.met <= one.aim.after or one.is_over:
                return False
            one.struck += 1
            return True

    def _changed(
        self,
        one: _Active,
        *,
        region: Region | None,
        answer: Reply,
        republished: Callable[[Edition], Reply],
    ) -> Reply | None:
        """Return the changed answer; None where the fault has nothing to change in this one."""
        scene = self._scene(one, region)
        if one.fault.replace is not None:
            changed = one.fault.replace(answer, scene)
            travels = changed.delivery in (Delivery.CUT, Delivery.DRIP)
            return None if travels and changed.status in WITHOUT_BODY else changed
        if one.fault.republish is not None:
            changed = republished(one.fault.republish(scene))
            return changed if changed.status not in WITHOUT_BODY else None
        if one.fault.rewrite is None or answer.status != HTTPStatus.OK:
            return None
        return replace(answer, body=one.fault.rewrite(answer.body, scene), gzipped=None)

    def _scene(self, one: _Active, region: Region | None) -> Scene:
        # The token endpoint belongs to no region; faults there look at none of the publications.
        where = next(iter(self._world.regions)) if region is None else region
        current, previous = self._world.publications(where)
        return Scene(
            aim=one.aim,
            now=self._world.now,
            struck=one.struck,
            current=current,
            previous=previous,
            at_set=one.at_set[where],
        )
