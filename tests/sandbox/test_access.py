from __future__ import annotations

from collections.abc import Callable

import pytest
import requests

from ironforge_cli.sandbox.access import Limits
from ironforge_cli.sandbox.stand_in import Sandbox

Ask = Callable[..., requests.Response]
GRANT = {"grant_type": "client_credentials"}
UNAUTHORIZED = '{"code":401,"type":"BLZWEBAPI00000401","detail":"Unauthorized"}'


def test_a_token_looks_like_the_recorded_one(sandbox: Sandbox) -> None:
    for url in (sandbox.oauth_url, sandbox.oauth_url.replace("/oauth/token", "/token")):
        answer = requests.post(url, data=GRANT, auth=(sandbox.client_id, sandbox.client_secret), timeout=10)
        assert answer.status_code == 200
        assert list(answer.json()) == ["access_token", "token_type", "expires_in", "sub"]
        token = answer.json()["access_token"]
        assert (len(token), token[:2]) == (34, "US")
        assert answer.json()["token_type"] == "bearer"  # noqa: S105 - a kind of token, and no secret.
        assert answer.json()["expires_in"] == 86_399
        assert answer.json()["sub"] == sandbox.client_id


def test_wrong_credentials_are_refused(sandbox: Sandbox) -> None:
    for auth in (("somebody", "else"), (sandbox.client_id, "wrong"), None):
        answer = requests.post(sandbox.oauth_url, data=GRANT, auth=auth, timeout=10)
        assert answer.status_code == 401
        assert answer.json() == {"error": "invalid_client", "error_description": "Bad client credentials"}


@pytest.mark.parametrize(("form", "error"), [({}, "invalid_request"), ({"grant_type": "x"}, "unsupported_grant_type")])
def test_another_grant_type_is_a_bad_request(sandbox: Sandbox, form: dict[str, str], error: str) -> None:
    auth = (sandbox.client_id, sandbox.client_secret)
    answer = requests.post(sandbox.oauth_url, data=form, auth=auth, timeout=10)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_asking_for_a_token_with_get_is_a_bad_request(sandbox: Sandbox) -> None:
    answer = requests.get(sandbox.oauth_url, params=GRANT, auth=(sandbox.client_id, sandbox.client_secret), timeout=10)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("authorization", [None, "Bearer USnobodyknowsthistoken", "Basic abc"])
def test_no_good_token_is_refused_by_the_gateway(ask: Ask, authorization: str | None) -> None:
    url = ask("token/index").url
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = requests.get(url, headers=headers, timeout=10)
    assert (answer.status_code, answer.text) == (401, UNAUTHORIZED)


def test_a_token_in_the_query_is_refused(ask: Ask) -> None:
    good = ask("token/index")
    token = str(good.request.headers["Authorization"]).removeprefix("Bearer ")
    answer = requests.get(good.url, params={"access_token": token}, timeout=10)
    assert answer.status_code == 401


def test_tokens_end_after_their_time_or_when_told(
    start: Callable[..., Sandbox], asker: Callable[[Sandbox], Ask]
) -> None:
    seconds = [50.0]
    sandbox = start(token_seconds=600, monotonic=lambda: seconds[0])
    ask = asker(sandbox)
    seconds[0] += 599
    assert ask("token/index").status_code == 200
    seconds[0] += 1
    assert ask("token/index").status_code == 401
    ask = asker(sandbox)
    assert ask("token/index").status_code == 200
    sandbox.expire_tokens()
    assert ask("token/index").text == UNAUTHORIZED


@pytest.mark.parametrize("says_when", [True, False])
def test_beyond_the_seconds_limit_everything_is_429_until_it_is_over(
    start: Callable[..., Sandbox], asker: Callable[[Sandbox], Ask], *, says_when: bool
) -> None:
    seconds = [100.0]
    sandbox = start(limits=Limits(per_second=5, retry_after=says_when), monotonic=lambda: seconds[0])
    ask = asker(sandbox)
    regions = ("eu", "us") * 4
    answers = [ask("token/index", region=region) for region in regions]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 3
    assert answers[-1].text == '{"code":429,"type":"BLZWEBAPI00000429","detail":"Too Many Requests"}'
    assert answers[-1].headers.get("Retry-After") == ("1" if says_when else None)
    seconds[0] += 1
    assert ask("token/index").status_code == 200


def test_commodities_cost_25_of_the_hours_quota(start: Callable[..., Sandbox], asker: Callable[[Sandbox], Ask]) -> None:
    seconds = [7_100.0]
    sandbox = start(limits=Limits(per_second=None, per_hour=51), monotonic=lambda: seconds[0])
    ask = asker(sandbox)
    assert [ask("auctions/commodities").status_code for _ in range(2)] == [200, 200]
    assert ask("token/index").status_code == 200
    refused = ask("token/index")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "100")
    seconds[0] += 100
    assert ask("token/index").status_code == 200
