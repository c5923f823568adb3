"""The switchboard under `/_sandbox/`: state, time, faults, tokens and the truth, all in JSON.

GET    /_sandbox/state
POST   /_sandbox/advance        {"hours": 1, "region": "eu"}
GET    /_sandbox/faults
POST   /_sandbox/faults         {"name": "truncated", "region": "eu", "count": 1}
DELETE /_sandbox/faults?name=truncated&region=eu
POST   /_sandbox/tokens/expire
GET    /_sandbox/truth?region=eu
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

from ironforge_cli.regions import Region
from ironforge_cli.sandbox.answers import Reply, json_answer
from ironforge_cli.sandbox.faults import FAULTS, Aim
from ironforge_cli.sandbox.wire import Json, to_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ironforge_cli.sandbox.access import Tokens
    from ironforge_cli.sandbox.active_faults import ActiveFaults
    from ironforge_cli.sandbox.world import World

CONTROL_PATH = "/_sandbox/"

_AIM_KINDS: Mapping[str, tuple[type, ...]] = {
    "name": (str,),
    "region": (str,),
    "endpoint": (str,),
    "path": (str,),
    "field": (str,),
    "count": (int,),
    "after": (int,),
    "status": (int,),
    "retry_after": (int,),
    "seconds": (int, float),
}


def _region(text: object) -> Region | None:
    if text is None:
        return None
    if text not in list(Region):
        raise ValueError(f"no region is called {text!r}; there are {', '.join(Region)}")
    return Region(str(text))


def _document(body: bytes) -> dict[str, Any]:
    """Read what was posted: an object, or nothing."""
    if not body.strip():
        return {}
    read: object = json.loads(body)
    if not isinstance(read, dict):
        raise TypeError("post a JSON object")
    return cast("dict[str, Any]", read)


def aim_from(posted: Mapping[str, Any]) -> Aim:
    """Read a fault's aim from JSON; raises `ValueError` or `TypeError` that says what is wrong with it."""
    given = {key: value for key, value in posted.items() if value is not None}
    for key, value in given.items():
        if key not in _AIM_KINDS:
            raise ValueError(f"{key!r} is unknown; there are {', '.join(_AIM_KINDS)}")
        if not isinstance(value, _AIM_KINDS[key]) or isinstance(value, bool):
            raise TypeError(f"{key!r} can't be {value!r}")
    if "name" not in given:
        raise ValueError("a fault has a name")
    region = _region(given.pop("region", None))
    return Aim(**given, region=region)


class Control:
    """Carries out what is asked of the sandbox itself."""

    def __init__(self, world: World, *, faults: ActiveFaults, tokens: Tokens) -> None:
        self._world = world
        self._faults = faults
        self._tokens = tokens

    def answer(self, *, method: str, path: str, query: Mapping[str, str], body: bytes) -> Reply:
        """Answer one request; what can't be done is a 400 that says why."""
        what = f"{method} {path.removeprefix(CONTROL_PATH)}"
        try:
            done = self._done(what, query, body)
        except (ValueError, TypeError) as error:
            return json_answer(400, to_bytes({"error": str(error)}))
        if done is None:
            return json_answer(404, to_bytes({"error": f"{what!r} is unknown"}))
        return json_answer(200, to_bytes(done))

    def _done(self, what: str, query: Mapping[str, str], body: bytes) -> Json:
        """Do it and return what there is to say; None where it can't be asked for."""
        done: Json = None
        match what:
            case "GET state":
                done = self._state()
            case "POST advance":
                posted = _document(body)
                hours = posted.get("hours", 1)
                if not isinstance(hours, int) or isinstance(hours, bool):
                    raise TypeError(f"'hours' can't be {hours!r}")
                self._world.advance(_region(posted.get("region")), hours=hours)
                done = self._state()
            case "GET faults":
                done = self._fault_table()
            case "POST faults":
                self._faults.set(aim_from(_document(body)))
                done = self._fault_table()
            case "DELETE faults":
                self._faults.clear(query.get("name"), region=_region(query.get("region")))
                done = self._fault_table()
            case "POST tokens/expire":
                self._tokens.expire_all()
                done = self._state()
            case "GET truth":
                region = _region(query.get("region"))
                done = {one.value: self._truth(one) for one in self._world.chosen(region)}
            case _:
                pass
        return done

    def _state(self) -> Json:
        regions: dict[str, Json] = {}
        for region, there in self._world.regions.items():
            publication, _ = self._world.publications(region)
            regions[region.value] = {
                "published_at": publication.published_at.isoformat(),
                "next_at": there.next_at.isoformat(),
                "hours": there.hours,
                "auctions": len(publication.listings),
            }
        return {
            "now": self._world.now.isoformat(),
            "runs_by_clock": self._world.runs_by_clock,
            "items": len(self._world.catalogue.items),
            "recipes": len(self._world.catalogue.recipes),
            "regions": regions,
            "faults": self._active(),
        }

    def _active(self) -> list[Json]:
        return [{key: value for key, value in asdict(aim).items() if value is not None} for aim in self._faults.aims]

    def _fault_table(self) -> Json:
        return {
            "active": self._active(),
            "known": {fault.name: fault.description for fault in FAULTS.values()},
        }

    def _truth(self, region: Region) -> list[Json]:
        """Write the truth of every interval, the items that had any of it."""
        intervals: list[Json] = []
        for published in self._world.truths(region):
            truth = published.truth
            moved = (truth.listed + truth.sold + truth.expired + truth.cancelled) > 0
            columns = (truth.item_id, truth.listed, truth.sold, truth.unseen, truth.expired, truth.cancelled)
            rows: list[Json] = [
                dict(zip(("item", "listed", "sold", "unseen", "expired", "cancelled"), row, strict=True))
                for row in zip(*(column[moved].tolist() for column in columns), strict=True)
            ]
            intervals.append(
                {
                    "since": published.since.isoformat(),
                    "until": published.until.isoformat(),
                    "items": rows,
                }
            )
        return intervals
