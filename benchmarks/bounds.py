"""The bound of every time step of every shipped network, from its weights alone."""

from imexnet.models.checkpoints import WEIGHTS, load
from imexnet.program import run
from imexnet.stability.bounds import step_bounds


def main() -> None:
    steps = exceeding = 0
    for path in sorted(WEIGHTS.glob("*.safetensors")):
        network = load(path, "cpu")
        picture = network.mean.new_zeros(1, network.config.channels, *network.config.size)
        found = step_bounds(network, picture)
        free = sum(not step.nonexpansive for step in found)
        steps, exceeding = steps + len(found), exceeding + free
        print(f"{path.stem}: {', '.join(f'{step.bound:.1f}' for step in found)}")
        print(f"  smallest scale {min(step.smallest_scale for step in found):.3f}")
    print(f"{exceeding} of {steps} steps exceed the limit below which a step cannot amplify")


if __name__ == "__main__":
    run(main, "bounds")
