"""The keys of vendor credentials: where they come from, and who else may see them."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway.control.keys import KEY_FILE, key_file, open_secret_box, put_new_key_in_front, read_key_file
from gateway.settings import ControlSettings
from sluice.secrets import KEY_BYTES, SecretBox, SecretError, key_text

OLD, NEW = bytes(range(KEY_BYTES)), bytes(range(100, 100 + KEY_BYTES))
CONTEXT = "llms.api_key"
NO_KEY = "a-password-not-a-key"


def file_with(folder: Path, text: str, mode: int = 0o600) -> Path:
    """A key file of somebody's own."""
    path = folder / "keys"
    path.write_text(text)
    path.chmod(mode)
    return path


def opens(box: SecretBox, key: bytes) -> bool:
    """Whether the box decrypts what this key encrypted."""
    return box.decrypt(SecretBox([key]).encrypt("text", CONTEXT), CONTEXT) == "text"


def test_the_setting_comes_first_and_no_file_is_made(tmp_path: Path) -> None:
    """A key from the environment is used as it is: nothing is read from disk or written to it."""
    named = file_with(tmp_path, key_text(OLD))
    control = ControlSettings(secret_key=SecretStr(key_text(NEW)), secret_key_file=str(named))
    box = open_secret_box(control, tmp_path / "data")
    assert opens(box, NEW)
    with pytest.raises(SecretError):
        opens(box, OLD)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("between", [" ", "\n", "\r\n\t"])
def test_the_setting_may_have_several_keys_newest_first(tmp_path: Path, between: str) -> None:
    """Rotation works without a file too."""
    control = ControlSettings(secret_key=SecretStr(f"{key_text(NEW)}{between}{key_text(OLD)}"))
    box = open_secret_box(control, tmp_path)
    assert opens(box, OLD)
    assert box.is_current(SecretBox([NEW]).encrypt("text", CONTEXT))


def test_a_file_has_one_key_a_line_newest_first(tmp_path: Path) -> None:
    """With comments and empty lines, and lines ended as Windows does."""
    path = file_with(tmp_path, f"# of March\r\n{key_text(NEW)}\r\n\r\n  # of January\n\t{key_text(OLD)}")
    assert read_key_file(path) == [NEW, OLD]
    box = open_secret_box(ControlSettings(secret_key_file=str(path)), tmp_path / "data")
    assert opens(box, OLD)
    assert box.is_current(SecretBox([NEW]).encrypt("text", CONTEXT))


def test_a_named_file_that_is_missing_is_not_made(tmp_path: Path) -> None:
    """A wrong name would otherwise start the gateway with a key that decrypts nothing."""
    path = tmp_path / "typo"
    with pytest.raises(SecretError, match=f"^{path}: cannot be read .FileNotFoundError.; put one key"):
        open_secret_box(ControlSettings(secret_key_file=str(path)), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o601, 0o620, 0o660, 0o444, 0o777])
def test_a_file_that_others_can_read_or_change_is_refused(tmp_path: Path, mode: int) -> None:
    """Refused, not warned of: a warning at the start is read by nobody. The remedy is one command."""
    path = file_with(tmp_path, key_text(OLD), mode)
    with pytest.raises(SecretError, match=f"mode {mode:04o}, .*; chmod 600 {path}"):
        read_key_file(path)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o440, 0o640])
def test_a_file_that_its_group_may_read_is_taken(tmp_path: Path, mode: int) -> None:
    """Mounted secrets reach a process that is not root through its group."""
    assert read_key_file(file_with(tmp_path, key_text(OLD), mode)) == [OLD]


@pytest.mark.parametrize(
    "text", ["", "\n\n# nothing\n", NO_KEY, f"{key_text(OLD)}\n{NO_KEY}", f"{key_text(OLD)} {NO_KEY}", "é", "\0" * 44]
)
def test_a_file_without_proper_keys_is_refused_without_being_shown(tmp_path: Path, text: str) -> None:
    """One bad line refuses the file, which is named; what stands in it is not."""
    path = file_with(tmp_path, text)
    with pytest.raises(SecretError, match=f"^{path}: .*openssl rand -base64 32") as raised:
        read_key_file(path)
    assert NO_KEY not in str(raised.value)
    assert key_text(OLD) not in str(raised.value)


def test_a_setting_that_is_no_key_is_named_and_not_shown(tmp_path: Path) -> None:
    """An empty one reads the file; white space alone is a variable that somebody forgot to fill."""
    for text in (NO_KEY, " "):
        with pytest.raises(SecretError, match=r"^control\.secret_key: ") as raised:
            open_secret_box(ControlSettings(secret_key=SecretStr(text)), tmp_path)
        assert NO_KEY not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_a_huge_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    """What is no key file is not read into memory, and a wrong kind of file is an error of ours."""
    with pytest.raises(SecretError, match="is larger than 65536 bytes"):
        read_key_file(file_with(tmp_path, "x" * 70_000))
    with pytest.raises(SecretError, match="IsADirectoryError"):
        read_key_file(tmp_path)


def test_the_first_start_makes_a_key_that_only_we_can_read(tmp_path: Path) -> None:
    """Mode 0600 whatever the umask, nothing left beside it, and the next start reads the same key."""
    data = tmp_path / "not" / "there"
    umask = os.umask(0)
    try:
        stored = open_secret_box(ControlSettings(), data).encrypt("text", CONTEXT)
    finally:
        os.umask(umask)
    assert open_secret_box(ControlSettings(), data).decrypt(stored, CONTEXT) == "text"
    assert [path.name for path in data.iterdir()] == [KEY_FILE]
    assert (data / KEY_FILE).stat().st_mode & 0o777 == 0o600


def test_a_made_file_that_was_damaged_is_never_replaced(tmp_path: Path) -> None:
    """A new key would hide that the old one is lost; the operator has a copy to put back."""
    (tmp_path / KEY_FILE).touch(0o600)
    with pytest.raises(SecretError, match="no secret key is given"):
        open_secret_box(ControlSettings(), tmp_path)
    assert (tmp_path / KEY_FILE).read_bytes() == b""


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """With the other way to give a key."""
    (tmp_path / "file").touch()
    with pytest.raises(SecretError, match=r"cannot be made \(.*\); let the gateway write there, or set control.secret"):
        open_secret_box(ControlSettings(), tmp_path / "file")


def test_a_new_key_in_front_reaches_a_box_that_is_open(tmp_path: Path) -> None:
    """Gateways that run decrypt what a rotation encrypted again, without a restart; old secrets open until then."""
    running = open_secret_box(ControlSettings(), tmp_path)
    stored = running.encrypt("text", CONTEXT)
    put_new_key_in_front(key_file(ControlSettings(), tmp_path))
    rotating = open_secret_box(ControlSettings(), tmp_path)
    assert not rotating.is_current(stored)
    again = rotating.encrypt(rotating.decrypt(stored, CONTEXT), CONTEXT)
    assert running.decrypt(again, CONTEXT) == "text"
    assert running.decrypt(stored, CONTEXT) == "text"
    assert running.is_current(again)


def test_a_rotation_keeps_what_is_in_the_file_and_how_it_lies(tmp_path: Path) -> None:
    """Old keys and comments stay, mode and owner too, and a link goes on pointing at the file."""
    path = file_with(tmp_path, f"# of January\n{key_text(OLD)}\n", 0o640)
    if os.getuid() == 0:
        os.chown(path, 65534, 65534)
    owner = path.stat().st_uid
    link = tmp_path / "link"
    link.symlink_to(path)
    put_new_key_in_front(link)
    assert link.is_symlink()
    assert path.read_text().endswith(f"# of January\n{key_text(OLD)}\n")
    assert len(read_key_file(path)) == 2
    assert read_key_file(path)[1] == OLD
    assert (path.stat().st_mode & 0o777, path.stat().st_uid) == (0o640, owner)


def test_a_file_that_cannot_be_rotated_stays_as_it_is(tmp_path: Path) -> None:
    """No key is put in front of garbage, and none into a file that is not there."""
    path = file_with(tmp_path, NO_KEY)
    with pytest.raises(SecretError, match="openssl rand"):
        put_new_key_in_front(path)
    assert path.read_text() == NO_KEY
    for missing in (tmp_path / "none", tmp_path / "no" / "folder"):
        with pytest.raises(SecretError, match=f"^{missing}: "):
            put_new_key_in_front(missing)
    assert list(tmp_path.iterdir()) == [path]


def test_rotations_at_once_lose_no_key(tmp_path: Path) -> None:
    """Each may already have encrypted with the key that it put in front."""
    path = file_with(tmp_path, f"{key_text(OLD)}\n")
    with ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(put_new_key_in_front, path) for _ in range(40)]:
            done.result()
    keys = read_key_file(path)
    assert len(set(keys)) == 41
    assert keys[-1] == OLD
    assert list(tmp_path.iterdir()) == [path]


def test_processes_that_start_at_once_get_one_key(tmp_path: Path) -> None:
    """Four workers, let go together many times over folders that do not exist: each folder has one key for all."""
    program = """
import pathlib, sys
from gateway.control.keys import open_secret_box
from gateway.settings import ControlSettings
from sluice.logs import configure_logs
configure_logs("error")
print("ready", flush=True)
for name in sys.stdin:
    box = open_secret_box(ControlSettings(), pathlib.Path(sys.argv[1]) / name.strip())
    print(box.encrypt("text", "test").hex(), flush=True)
"""
    command = [sys.executable, "-c", program, str(tmp_path)]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) for _ in range(4)
    ]
    try:
        assert [said(worker) for worker in workers] == ["ready"] * 4
        for number in range(25):
            for worker in workers:
                assert worker.stdin
                worker.stdin.write(f"{number}\n")
            stored = [bytes.fromhex(said(worker)) for worker in workers]
            box = SecretBox(read_key_file(tmp_path / str(number) / KEY_FILE))
            assert [box.decrypt(each, "test") for each in stored] == ["text"] * 4
            assert [path.name for path in (tmp_path / str(number)).iterdir()] == [KEY_FILE]
    finally:
        for worker in workers:
            worker.communicate(timeout=30)


def said(worker: subprocess.Popen[str]) -> str:
    """The worker's next line."""
    assert worker.stdout
    return worker.stdout.readline().strip()
