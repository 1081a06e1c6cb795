"""What pyproject.toml cannot say: weights and kitchens lie beside the package, and go into it."""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["imexnet*"]),
        "imexnet.weights",
        "imexnet.assets.kitchens",
    ],
    package_dir={
        "imexnet.weights": "weights",
        "imexnet.assets.kitchens": "assets/kitchens",
    },
)
