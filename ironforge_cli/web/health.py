"""Whether the service is well: its process, its database and how fresh that is, and its own counts for Prometheus."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse, PlainTextResponse

from ironforge_cli.errors import IronforgeError
from ironforge_cli.web.answering import service_of
from ironforge_cli.web.described import problems
from ironforge_cli.web.exchange import iso
from ironforge_cli.web.problems import problem_of

if TYPE_CHECKING:
    from ironforge_cli.web.service import KnownState, Service

log = logging.getLogger(__name__)
router = APIRouter()
_ERRORS: Final = (405, 413, 414, 431, 500)
_NO_STORE: Final = {"cache-control": "no-store"}
_EXPOSITION: Final = "text/plain; version=0.0.4; charset=utf-8"


@router.get(
    "/healthz",
    operation_id="healthz",
    summary="Whether the process is there",
    description="It asks nobody. A supervisor that restarts the service should look here.",
    responses={
        200: {
            "description": "It is.",
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["status"],
                        "properties": {"status": {"type": "string"}},
                    },
                    "example": {"status": "ok"},
                }
            },
        },
        **problems(_ERRORS),
    },
    response_class=JSONResponse,
    response_model=None,
)
async def healthz() -> Response:
    """Say that the process is there."""
    return JSONResponse({"status": "ok"}, headers=_NO_STORE)


@router.get(
    "/readyz",
    operation_id="readyz",
    summary="Whether the database answers, and how fresh each region is",
    description="503 where the database can't be asked. Stale data are said and are no failure: they are served.",
    responses={
        200: {
            "description": "It does.",
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["status", "regions"],
                        "properties": {
                            "status": {"type": "string"},
                            "regions": {"type": "array", "items": {"type": "object"}},
                        },
                    },
                    "example": {
                        "status": "ready",
                        "regions": [{"region": "eu", "snapshot_time": "2026-01-14T12:03:07Z", "stale": False}],
                    },
                }
            },
        },
        **problems((*_ERRORS, 503)),
    },
    response_class=JSONResponse,
    response_model=None,
)
async def readyz(request: Request) -> Response:
    """Say whether answers can be had."""
    service = service_of(request)
    try:
        state = await _state_of(service)
    except IronforgeError as error:
        log.warning("%s", error)
        return problem_of(error).response()
    return JSONResponse({"status": "ready", "regions": _told(service, state)}, headers=_NO_STORE)


@router.get(
    "/metrics",
    operation_id="metrics",
    summary="Counts for Prometheus",
    description="Requests by route and status, how long they took, what is kept, and how old each region is.",
    responses={
        200: {"description": "The counts.", "content": {"text/plain": {"schema": {"type": "string"}}}},
        **problems(_ERRORS),
    },
    response_class=PlainTextResponse,
    response_model=None,
)
async def metrics(request: Request) -> Response:
    """Say what was counted."""
    service = service_of(request)
    lines = service.measures.exposition()
    lines += [
        "# HELP ironforge_http_kept_bytes Encoded answers that are kept in memory.",
        "# TYPE ironforge_http_kept_bytes gauge",
        f"ironforge_http_kept_bytes {service.bodies.bytes}",
        "# HELP ironforge_http_database_up Whether the database could be asked just now.",
        "# TYPE ironforge_http_database_up gauge",
    ]
    try:
        state = await _state_of(service)
    except IronforgeError:
        lines.append("ironforge_http_database_up 0")
    else:
        lines.append("ironforge_http_database_up 1")
        lines += [
            "# HELP ironforge_http_snapshot_age_seconds How old each region's newest snapshot is.",
            "# TYPE ironforge_http_snapshot_age_seconds gauge",
            *(
                f'ironforge_http_snapshot_age_seconds{{region="{region.value}"}} '
                f"{(service.now() - due.snapshot_time).total_seconds():.0f}"
                for region, due in state.due.items()
                if due.snapshot_time is not None
            ),
        ]
    return Response("\n".join(lines) + "\n", headers={**_NO_STORE, "content-type": _EXPOSITION})


async def _state_of(service: Service) -> KnownState:
    # Beside the threads of answers: when these are all at work, this is what has to be known.
    return await to_thread.run_sync(service.state, limiter=CapacityLimiter(1))


def _told(service: Service, state: KnownState) -> list[dict[str, Any]]:
    return [
        {
            "region": region.value,
            "snapshot_time": None if due.snapshot_time is None else iso(due.snapshot_time),
            "next_due_at": None if due.next_due_at is None else iso(due.next_due_at),
            "stale": service.is_stale(region, state),
        }
        for region, due in state.due.items()
    ]
