"""The benchmark of tuners gives the same bytes however it is run."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from invariance import check_invariance  # noqa: E402
from support import main, test  # noqa: E402


@test
def tuners_meet_challenges(folder):
    check_invariance(folder, ["tune", "bench", "--challenges", "branin", "--challenges",
                              "rosenbrock-shifted", "--challenges", "mixed", "--iterations", 30,
                              "--seeds", 2, "--quiet"], batches=(None,), chaos_batches=(None,))


main()
