"""What the demo keeps between runs."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import pytest

from collectors.settings import HostSettings
from collectors.settings import Settings as CollectorsSettings
from gateway.settings import Settings
from sluice.dev.demo import state as state_module
from sluice.dev.demo.cast import LLMS, TEAMS
from sluice.dev.demo.state import knows_token, missing_llms, prepare
from sluice.settings import load_settings


def test_the_token_is_made_once_and_kept_for_its_owner_alone(tmp_path: Path) -> None:
    """The ``curl`` line of the first run works on the second; the settings hold the token's hash and nothing more."""
    first, second = prepare(tmp_path / "demo", real=False), prepare(tmp_path / "demo", real=False)
    assert first == second
    assert len(first.token) > 40
    for path in (first.config, first.collectors, tmp_path / "demo" / "token"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = first.config.read_text()
    assert first.token not in text
    assert hashlib.sha256(first.token.encode()).hexdigest() in text


def test_teams_have_tokens_of_their_own_that_come_again(tmp_path: Path) -> None:
    """Made from the one that is kept; none can be told from another, and none stands in the settings."""
    first, second = prepare(tmp_path / "a", real=False), prepare(tmp_path / "b", real=False)
    tokens = [state.token_of(team.id) for team in TEAMS for state in (first, second)]
    assert len(set(tokens)) == 2 * len(TEAMS)
    assert [prepare(tmp_path / "a", real=False).token_of(team.id) for team in TEAMS] == tokens[::2]
    text = first.config.read_text()
    assert [token for token in tokens if token in text] == []
    assert [hashlib.sha256(token.encode()).hexdigest() in text for token in tokens[::2]] == [True] * len(TEAMS)


def test_what_was_edited_stays(tmp_path: Path) -> None:
    """A port that was changed, as a message asked for, is not changed back."""
    state = prepare(tmp_path, real=False)
    state.config.write_text("edited")
    assert prepare(tmp_path, real=False).config.read_text() == "edited"


def test_settings_of_another_version_are_noticed(tmp_path: Path) -> None:
    """By the LLMs that its traffic would ask for in vain; those just made have all."""
    state = prepare(tmp_path, real=False)
    assert missing_llms(state) == []
    state.config.write_text(state.config.read_text().replace("slug: claude\n", "slug: claude-2\n"))
    assert missing_llms(state) == ["claude"]
    state.config.write_text("llms: [{slug: demo}, {slug: broken}]")
    assert missing_llms(state) == [llm.slug for llm in LLMS]


def test_a_token_that_was_lost_is_noticed(tmp_path: Path) -> None:
    """One that is made in its place opens nothing: the settings have the hash of the first."""
    assert knows_token(prepare(tmp_path, real=False))
    (tmp_path / "token").unlink()
    assert not knows_token(prepare(tmp_path, real=False))


@pytest.mark.parametrize("real", [False, True])
def test_both_services_accept_their_files(tmp_path: Path, real: bool) -> None:
    """With ``--real`` the addresses come from the two variables that ``sluice dev servers`` prints."""
    state = prepare(tmp_path, real=real)
    variables = {"KAFKA_BOOTSTRAP": "127.0.0.1:29092", "ES_URL": "http://127.0.0.1:29200"} if real else {}
    settings = load_settings(state.config, Settings, variables)
    (entry,) = load_settings(state.collectors, CollectorsSettings, variables).entries()
    host = load_settings(state.config, HostSettings, variables)
    assert [llm.slug for llm in settings.llms] == ["demo", "broken", *(llm.slug for llm in LLMS)]
    assert host.data_dir == settings.data_dir
    assert host.kafka.bootstrap_servers == variables.get("KAFKA_BOOTSTRAP", "")
    assert entry.path == ("sink://elasticsearch" if real else "sink://database")
    events = settings.control.events
    place = events.elasticsearch_url or events.database_url.removeprefix("sqlite://")
    assert place in str(entry.model_dump()), "the console reads what the sink writes"


def test_a_usual_port_that_is_taken_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first run takes free ones then; afterwards they stay."""
    monkeypatch.setattr(state_module, "is_free", lambda _: False)
    settings = load_settings(prepare(tmp_path, real=False).config, Settings, {})
    assert settings.gateway.port != 8080
