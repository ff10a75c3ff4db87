"""Keys are listed and deleted exactly."""

from __future__ import annotations

import contextlib
from pathlib import Path

from ..core import Contract, NotApplicable, case, equal, true
from .subject import STDERR, ManagerSubject, both

__all__ = ["Listing"]


class Listing(Contract):
    """Every key below a prefix, and no other."""

    group = "listing"
    point = "Keys are listed and deleted exactly"
    subject: ManagerSubject

    def _written(self, *names: str) -> list[list[str]]:
        manager = self.subject.manager()
        keys = [[self.subject.top, *name.split("/")] for name in names]
        for key in keys:
            with manager.open_log_stream(key, STDERR) as stream:
                stream.write("x")
            self.subject._keys.append(key)  # noqa: SLF001 - so that it is removed again
        return keys

    def _listed(self, *prefix: str) -> list[list[str]]:
        manager = self.subject.manager()
        list_keys = getattr(manager, "get_log_keys_for_log_key_prefix", None)
        if list_keys is None:
            message = "it lists no keys"
            raise NotApplicable(message)
        found = list_keys([self.subject.top, *prefix], io_type=STDERR)
        return sorted([str(part) for part in key] for key in found)

    def _left(self, keys: list[list[str]]) -> list[str]:
        reader = self.subject.manager()
        return ["/".join(key[1:]) for key in keys if both(reader, key)[1]]

    @case()
    def keys_below_a_prefix_are_listed(self) -> None:
        """Each key is there once, whole."""
        keys = self._written("a/one", "a/two")
        equal("keys below ['a']", self._listed("a"), sorted(keys))

    @case()
    def keys_of_a_longer_name_are_not_listed(self) -> None:
        """The prefix `a` does not list what lies under `apple`."""
        keys = self._written("a/one", "apple/two")
        equal("keys below ['a']", self._listed("a"), [keys[0]])

    @case()
    def deeper_keys_are_not_shortened(self) -> None:
        """`a/deep/er/three` is listed as that or not at all, never as `a/three`."""
        keys = self._written("a/one", "a/deep/er/three")
        wrong = [key for key in self._listed("a") if key not in keys]
        true(f"keys below ['a'] that nobody wrote: {wrong}", not wrong)

    @case()
    def names_with_dots_are_listed(self) -> None:
        """`step.v1` is listed as `step.v1`."""
        keys = self._written("a/step.v1", "a/plain")
        equal("keys below ['a']", self._listed("a"), sorted(keys))

    @case()
    def nothing_is_listed_where_nothing_was_written(self) -> None:
        """An unknown prefix gives an empty list."""
        equal("keys below an unknown prefix", self._listed("nothing"), [])

    @case()
    def deleting_a_key_keeps_its_neighbours(self) -> None:
        """`delete_logs(log_key=)` removes that key and no key that starts like it."""
        keys = self._written("a/one", "a/one.more", "a/oneself")
        self.subject.manager().delete_logs(log_key=keys[0])
        equal("keys left", self._left(keys), ["a/one.more", "a/oneself"])

    @case()
    def deleting_a_prefix_keeps_its_neighbours(self) -> None:
        """`delete_logs(prefix=)` removes all below it, deeper ones too, and nothing beside it."""
        keys = self._written("a/one", "a/deep/er/two", "apple/three", "b/four")
        self.subject.manager().delete_logs(prefix=[self.subject.top, "a"])
        equal("keys left", self._left(keys), ["apple/three", "b/four"])

    @case()
    def deleting_what_is_not_there_is_quiet(self) -> None:
        """Deleting an unknown key or prefix raises nothing and harms nothing."""
        keys = self._written("a/one")
        manager = self.subject.manager()
        manager.delete_logs(log_key=[self.subject.top, "b", "two"])
        manager.delete_logs(prefix=[self.subject.top, "c"])
        equal("keys left", self._left(keys), ["a/one"])

    @case()
    def deletion_stays_in_the_staging_folder(self) -> None:
        """`delete_logs(prefix=["..", ...])` removes nothing outside of it."""
        base = self.subject.folder()
        victim = base / "outside"
        victim.mkdir()
        (victim / "file").write_text("x")
        (base / "staging").mkdir()
        if self.subject.shares_its_disk:
            manager = self.subject.spec.build(base_dir=str(base / "staging"))
        else:
            manager = self.subject.manager(local_dir=str(base / "staging"))
        staging = (
            Path(manager.local_manager._base_dir)  # noqa: SLF001 - Dagster offers no other way
            if hasattr(manager, "local_manager")
            else base / "staging"
        )
        climb = [".."] * len(staging.relative_to(base).parts)
        for prefix in ([*climb, "outside"], ["storage", "..", *climb, "outside"], [str(victim)]):
            with contextlib.suppress(Exception):
                manager.delete_logs(prefix=prefix)
            true(
                f"delete_logs(prefix={prefix}) removed a folder outside", (victim / "file").exists()
            )

    @case(big=True, seconds=600)
    def more_keys_than_one_page_are_listed_and_deleted(self) -> None:
        """1,100 keys: all are listed, all are deleted."""
        count = min(max(self.subject.sizes.objects, 30), 1100)
        self._written(*(f"many/{i:04d}" for i in range(count)))
        equal("how many keys are listed", len(self._listed("many")), count)
        self.subject.manager().delete_logs(prefix=[self.subject.top, "many"])
        try:
            left = len(self._listed("many"))
        except FileNotFoundError:
            left = 0
        equal("how many keys are left", left, 0)

    @case()
    def a_deleted_key_has_no_text(self) -> None:
        """After `delete_logs` both streams are empty and the key is not complete."""
        writer, key = self.subject.manager(), self.subject.key
        self.subject.write(writer, key, b"out", b"err")
        self.subject.manager().delete_logs(log_key=key)
        reader = self.subject.manager()
        equal("stdout and stderr", both(reader, key), (b"", b""))
        equal("is_capture_complete", reader.is_capture_complete(key), False)
