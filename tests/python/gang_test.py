"""windlass.gang on threads of this process."""

import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import windlass  # noqa: E402
from support import main, test  # noqa: E402


def error_of(function, size=3, **options):
    try:
        windlass.gang(function, size, **options)
    except windlass.Error as error:
        return error
    raise AssertionError("nothing was raised")


@test
def members_exchange_and_give_results_by_rank(_):
    def member(place):
        first = place.exchange(b"a%d" % place.rank)
        return place.rank, place.size, place.address, first, place.exchange()

    messages = [b"a0", b"a1", b"a2"]
    assert windlass.gang(member, 3) == [
        (rank, 3, "127.0.0.1", messages, [b"", b"", b""]) for rank in range(3)]
    assert windlass.gang(member, 2, engine="local?chaos=5")[1][3] == [b"a0", b"a1"]


@test
def what_one_raises_is_the_gangs(_):
    def member(place):
        if place.rank == 1:
            raise ValueError("one is bad")
        place.exchange()  # is told

    error = error_of(member)
    assert error.code == "invalid input" and "task 1 of a gang of 3 failed" in str(error), error
    assert "ValueError: one is bad" in str(error), error


@test
def all_run_again_while_attempts_allow_it(folder):
    def member(place):
        place.exchange()
        if place.rank == 0 and not (folder / "seen").exists():
            (folder / "seen").touch()
            raise windlass.Error("not yet", "unavailable")
        return place.rank

    assert windlass.gang(member, 2, attempts=2) == [0, 1]
    (folder / "seen").unlink()
    assert error_of(member, 2).code == "unavailable"


@test
def a_member_is_of_no_use_after_its_gang(_):
    kept = []
    windlass.gang(lambda place: kept.append(place), 1)
    # Pickled functions are copies where the pickle is by value; this one's list is not ours.
    assert not kept or "has ended" in str(error_of(lambda _: kept[0].exchange(), 1))


@test
def sizes_that_cannot_be(_):
    assert "no task" in str(error_of(print, 0))
    assert "-w 5" in str(error_of(print, 5, workers=4))


@test
def a_time_limit_ends_a_wait(_):
    def member(place):
        if place.rank == 0:
            time.sleep(1)
        place.exchange()

    error = error_of(member, 2, time_limit=0.2)
    assert error.code == "deadline exceeded", error


main()
