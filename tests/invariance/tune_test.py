"""The benchmark of tuners gives the same bytes however it is run."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from invariance import check_invariance  # noqa: E402
from support import main, test  # noqa: E402


@test
def tuners_meet_challenges(folder):
    arguments = ["tune", "bench", "--iterations", 20, "--seeds", 2, "--quiet"]
    for tuner in ("uniform", "gp-ei", "gcp-ei", "tpe", "cma-es", "forest-ei"):
        arguments += ["--tuners", tuner]
    for challenge in ("branin", "rosenbrock-shifted", "mixed"):
        arguments += ["--challenges", challenge]
    check_invariance(folder, arguments, batches=(None,), chaos_batches=(None,))


main()
