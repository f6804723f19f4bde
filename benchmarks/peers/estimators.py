"""Errors of shap and shapiq on the games of `estimators games`, beside those of Windlass.

    pip install shap==0.51.0 shapiq==1.4.1 lightgbm==4.7.0
    build/bench/benchmarks/estimators games 12 > games.json
    python benchmarks/peers/estimators.py games.json [pairs]

With "pairs": of interactions. Prints Markdown: RMS error over the RMS of the true values, the median over games, by coalitions a
player. Every tool gets the same number of evaluations of the game; each is run once a game.
"""

import json
import sys
import warnings

import numpy as np

BUDGETS = (5, 10, 20, 50)     # coalitions a player
PAIR_BUDGETS = (4, 8, 16)     # coalitions a pair of players


class Game:
    """A sum of values that coalitions get which have all of `inside` and none of `outside`."""

    def __init__(self, described):
        self.players = described["players"]
        bits = 1 << np.arange(self.players, dtype=np.uint64)
        masks = np.array([leaf[:2] for leaf in described["leaves"]], dtype=np.uint64)
        self.inside = ((masks[:, 0, None] & bits) > 0).astype(np.float32)
        self.outside = ((masks[:, 1, None] & bits) > 0).astype(np.float32)
        self.needed = self.inside.sum(axis=1)
        self.value = np.array([leaf[2] for leaf in described["leaves"]])
        self.phi = np.array(described["phi"])
        self.interactions = np.array(described["interactions"])
        self.evaluations = 0

    def __call__(self, coalitions):
        z = np.atleast_2d(np.asarray(coalitions)).astype(np.float32)
        self.evaluations += len(z)
        reached = (z @ self.inside.T - z @ self.outside.T) == self.needed
        return reached @ self.value

    def error(self, phi):
        return np.sqrt(np.mean((phi - self.phi) ** 2) / np.mean(self.phi ** 2))


def shap_kernel(game, budget):
    import shap

    explainer = shap.KernelExplainer(game, np.zeros((1, game.players)))
    return explainer.shap_values(np.ones(game.players), nsamples=budget, l1_reg=False, silent=True)


def shap_permutation(game, budget):
    import shap

    explainer = shap.explainers.PermutationExplainer(game, np.zeros((1, game.players)), seed=0)
    return explainer(np.ones((1, game.players)), max_evals=budget, silent=True).values[0]


def of_shapiq(name, **options):
    def run(game, budget):
        import shapiq

        approximator = getattr(shapiq.approximator, name)(
            n=game.players, random_state=0, **options)
        values = approximator.approximate(budget=budget, game=game)
        return np.array([values[(i,)] for i in range(game.players)])
    return run


TOOLS = {
    "shap KernelExplainer": shap_kernel,
    "shap PermutationExplainer": shap_permutation,
    "shapiq KernelSHAP": of_shapiq("KernelSHAP"),
    "shapiq KernelSHAPIQ, order 2": of_shapiq("KernelSHAPIQ", max_order=2, index="SII"),
    "shapiq InconsistentKernelSHAPIQ, order 2": of_shapiq(
        "InconsistentKernelSHAPIQ", max_order=2, index="SII"),
    "shapiq UnbiasedKernelSHAP": of_shapiq("UnbiasedKernelSHAP"),
    "shapiq PermutationSamplingSV": of_shapiq("PermutationSamplingSV"),
    "shapiq SVARM": of_shapiq("SVARM"),
    "shapiq StratifiedSamplingSV": of_shapiq("StratifiedSamplingSV"),
    "shapiq OwenSamplingSV": of_shapiq("OwenSamplingSV", n_anchor_points=10),
    "shapiq ProxySPEX": of_shapiq("ProxySPEX", max_order=1, index="SV"),
}


PAIR_TOOLS = ["KernelSHAPIQ", "InconsistentKernelSHAPIQ", "SHAPIQ", "SVARMIQ",
              "PermutationSamplingSII"]


def pair_error(game, name, budget):
    import shapiq

    approximator = getattr(shapiq.approximator, name)(
        n=game.players, max_order=2, index="SII", random_state=0)
    values = approximator.approximate(budget=budget, game=game)
    got = np.array([values[(i, j)] for i in range(game.players)
                    for j in range(i + 1, game.players)])
    return np.sqrt(np.mean((got - game.interactions) ** 2) / np.mean(game.interactions ** 2))


def pairs(described, games):
    print("| tool | " + " | ".join(f"{budget} a pair" for budget in PAIR_BUDGETS) + " |")
    print("| --- |" + " --- |" * len(PAIR_BUDGETS))
    errors = np.median([one["pair_errors"] for one in described], axis=0)
    print("| Windlass msr | " + " | ".join(f"{error:.3f}" for error in errors) + " |", flush=True)
    count = len(games[0].interactions)
    for name in PAIR_TOOLS:
        cells = [f"{np.median([pair_error(game, name, budget * count) for game in games]):.3f}"
                 for budget in PAIR_BUDGETS]
        print(f"| shapiq {name} | " + " | ".join(cells) + " |", flush=True)


def main():
    warnings.filterwarnings("ignore")
    described = json.load(open(sys.argv[1], encoding="utf-8"))
    games = [Game(one) for one in described]
    if sys.argv[2:] == ["pairs"]:
        pairs(described, games)
        return
    print("| tool | " + " | ".join(f"{budget} M" for budget in BUDGETS) + " |")
    print("| --- |" + " --- |" * len(BUDGETS))
    for method in described[0]["errors"]:
        errors = np.array([one["errors"][method] for one in described])
        scale = np.array([np.sqrt(np.mean(game.phi ** 2)) for game in games])
        print(f"| Windlass {method} | " + " | ".join(
            f"{np.median(errors[:, i] / scale):.3f}" for i in range(len(BUDGETS))) + " |")
    for name, run in TOOLS.items():
        cells = []
        for budget in BUDGETS:
            errors = []
            most = 0
            why = ""
            for game in games:
                game.evaluations = 0
                try:
                    errors.append(game.error(run(game, budget * game.players)))
                except Exception as error:  # a tool may refuse a budget
                    why = f"{type(error).__name__}"
                    print(name, budget, error, file=sys.stderr)
                    if not errors:
                        break
                most = max(most, game.evaluations)
            over = most / (budget * game.players)
            cells.append(why if not errors else f"{np.median(errors):.3f}" + (
                f" ({over:.2f} of the budget)" if abs(over - 1) > 0.05 else ""))
            print(name, budget, cells[-1], file=sys.stderr, flush=True)
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
