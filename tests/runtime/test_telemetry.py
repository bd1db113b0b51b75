"""What the log holds, and how much of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from groundswell.core.settings import Telemetry
from groundswell.runtime import telemetry

EMAIL, CARD = "ana@harbour.example", "4111 1111 1111 1111"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    """Where the log goes until the test is over."""
    yield tmp_path / "platform.log"
    telemetry.set_up(Telemetry(), "test", "0")


@pytest.mark.parametrize(
    ("mask", "shown"), [(("email", "card"), set[str]()), (("card",), {EMAIL}), ((), {EMAIL, CARD})]
)
def test_the_settings_say_which_personal_data_the_log_hides(log: Path, mask: tuple[str, ...], shown: set[str]) -> None:
    telemetry.set_up(Telemetry.model_validate({"mask": mask}), "test", "0", log)
    telemetry.log.warning("said", text=f"{EMAIL} {CARD}")
    assert {each for each in (EMAIL, CARD) if each in log.read_text()} == shown


def test_a_log_that_grows_is_put_aside_and_only_the_last_two_are_kept(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telemetry, "LOG_BYTES", 1000)
    telemetry.set_up(Telemetry(), "test", "0", log)
    for number in range(100):
        telemetry.log.warning("said", number=number)
    (aside,) = log.parent.glob("*.log.*")
    told = aside.read_text() + log.read_text()
    assert '"number": 99' in told
    assert '"number": 0,' not in told
    assert len(told) < 2400


def test_a_process_whose_log_another_has_put_aside_goes_on_in_the_new_one(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telemetry, "LOG_BYTES", 1000)
    telemetry.set_up(Telemetry(), "test", "0", log)
    telemetry.log.warning("said", text="x" * 2000)
    log.replace(f"{log}.1")
    log.write_text("of another\n")
    telemetry.log.warning("said", text="then")
    assert log.read_text().startswith("of another\n")
    assert '"then"' in log.read_text()
    assert "x" * 2000 in log.with_name(f"{log.name}.1").read_text()
