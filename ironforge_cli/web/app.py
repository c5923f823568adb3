"""The application: every path, what stands before it, and what an error becomes."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any, Final

from anyio import to_thread
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from ironforge_cli.errors import ExitStatus, IronforgeError
from ironforge_cli.given import in_plain_words
from ironforge_cli.web import document, endpoints, health
from ironforge_cli.web.gate import Gate
from ironforge_cli.web.headers import SecurityHeaders
from ironforge_cli.web.pages.around import AroundPages
from ironforge_cli.web.pages.routes import add_pages
from ironforge_cli.web.parameters import FORMS
from ironforge_cli.web.problems import HttpProblem, problem_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ironforge_cli.web.service import Service

log = logging.getLogger(__name__)
_LONGEST_QUOTED: Final = 100
_DETAILS: Final = {
    404: "There is nothing at this path: /docs lists what there is.",
    405: "Only GET and HEAD are known here.",
}


def create_app(service: Service) -> FastAPI:
    """The application over a service: the API, its documentation, the pages, and how it is."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        # As many threads as connections: who has a thread has a connection, too.
        to_thread.current_default_thread_limiter().total_tokens = service.settings.limits.threads
        yield

    app = FastAPI(
        title="ironforge",
        version=service.settings.version,
        lifespan=lifespan,
        # The document and its page are our own: nothing comes from other hosts.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # Ours tell of errors alone, and each operation says which it has.
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.service = service
    app.include_router(endpoints.router)
    app.include_router(health.router)
    document.add(app, service)
    add_pages(app, service)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(RequestValidationError, _of_parameters)
    app.add_exception_handler(IronforgeError, _of_ours)
    # The last that is added stands outside.
    app.add_middleware(Gate, service=service)
    app.add_middleware(AroundPages, service=service)
    app.add_middleware(SecurityHeaders)
    return app


def _of_http(_: Request, error: Exception) -> Response:
    """An error of the framework's: no such path, no such method."""
    if not isinstance(error, HTTPException):
        raise error
    detail = _DETAILS.get(error.status_code, str(error.detail))
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    if error.status_code == 405:  # noqa: PLR2004 - its answer names what is known
        headers["allow"] = "GET, HEAD"
    return HttpProblem(error.status_code, detail, headers).response()


def _of_parameters(_: Request, error: Exception) -> Response:
    """Parameters that are not within their bounds."""
    if not isinstance(error, RequestValidationError):
        raise error
    wrong: list[dict[str, Any]] = []
    for one in error.errors():
        name = str(one["loc"][-1])
        given = one.get("input")
        quoted = f" ({str(given)[:_LONGEST_QUOTED]!r})" if given is not None and one["type"] != "missing" else ""
        is_form = one["type"] == "string_pattern_mismatch" and name in FORMS
        says = f"{FORMS[name]} is wanted" if is_form else in_plain_words(str(one["msg"]))
        wrong.append({"name": name, "detail": f"{says}{quoted}"})
    said = "; ".join(f"{one['name']}: {one['detail']}" for one in wrong)
    return HttpProblem(422, f"{said}. /docs says what each parameter takes.", more={"errors": wrong}).response()


def _of_ours(_: Request, error: Exception) -> Response:
    """An error of ours: what was asked for is not there, or the database is away."""
    if not isinstance(error, IronforgeError):
        raise error
    if error.status is ExitStatus.BUG:
        log.error("An answer could not be made", exc_info=error)
    elif error.status is not ExitStatus.USAGE:
        log.warning("%s", error)
    return problem_of(error).response()
