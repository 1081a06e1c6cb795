"""What every tab begins with: a photo, the task, and examples."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import gradio as gr
from torch import Tensor

from imexnet.inference import to_input
from imexnet.io.camera import Camera, camera_of
from imexnet.io.photos import Photo, endings
from imexnet.models.networks import Network
from imexnet.models.spec import BOUNDED_TWINS, TRUNKS, ModelSpec
from imexnet.models.tasks import KINDS, TASKS
from imexnet.ui.components import examples
from imexnet.ui.components.parts import (
    EVERY,
    LATEST,
    PRIVATE,
    SHOWN,
    PhotoUpload,
    as_user_error,
    decoded,
    unreadable,
    user_error,
)
from imexnet.ui.server.memory_fallback import effort
from imexnet.viz import plots

TASK_CHOICES = [
    ("Depth", "depth"),
    ("Segmentation", "segmentation"),
    *((of.title, task) for task, of in examples.DRAWN.items()),
]
PICTURES = ["image", *sorted(endings())]  # browsers do not take all of them for pictures
NO_PHOTO = "Upload a photo first, or choose an example."
CUT_SHORT = "The file is cut short or damaged: only a part of the picture could be read."
FIRST = 3  # the kitchen that is shown first
MOST_STEPS = 6  # that a slider offers

Step = TypeVar("Step")


@dataclass(frozen=True)
class Inputs:
    """The components of a tab's first column."""

    photo: PhotoUpload
    upload: gr.UploadButton
    task: gr.Radio
    examples: list[Any]  # of gr.Examples, which is typed as a function
    fresh: gr.Button


def inputs(
    prefix: str = "", task: str = "depth", under_task: Callable[[], None] = lambda: None
) -> Inputs:
    """Builds the column where it is called; `prefix` goes before each element's id.

    Args:
        prefix: of the tab.
        task: that is chosen first.
        under_task: builds what else there is to choose.
    """
    kitchens = examples.kitchens()
    drawn = {
        task: [example(task, i).picture for i in range(examples.OFFERED)] for task in examples.DRAWN
    }
    shown = first(task)
    photo = PhotoUpload(
        value=shown.picture if isinstance(shown, Photo) else shown,
        label="Photo",
        alt_text="Photo",
        type="pil",
        image_mode=None,
        format="png",
        # Gradio's icons for other sources take the photo away before another is there. Phones offer
        # their camera for a file, and `page.js` takes what is pasted.
        sources=["upload"],
        buttons=["fullscreen"],
        elem_id=f"{prefix}photo",
        elem_classes="pic",
    )
    upload = gr.UploadButton(
        "Upload a photo", file_types=PICTURES, variant="primary", elem_id=f"{prefix}upload"
    )
    choice = gr.Radio(TASK_CHOICES, value=task, label="Task", elem_id=f"{prefix}task")
    under_task()
    offered = [
        gr.Examples(
            pictures,
            inputs=photo,
            label=label,
            cache_examples=False,
            examples_per_page=12,
            api_visibility="private",
            elem_id=f"{prefix}{name}",
        )
        for name, label, pictures in (
            ("kitchen", "Rendered kitchens, whose truth is known", kitchens),
            *(
                (of.name, f"{of.title}: {of.question}", drawn[task])
                for task, of in examples.DRAWN.items()
            ),
        )
        if pictures
    ]
    fresh = gr.Button("Make another drawing", size="sm", elem_id=f"{prefix}fresh")
    return Inputs(photo, upload, choice, offered, fresh)


def on_new_photo(
    chosen: Inputs, begin: dict[str, Any] | None = None, fail: dict[str, Any] | None = None
) -> list[Any]:
    """Events, one for each way a photo can come, the upload to the photo itself first.

    Args:
        chosen: the tab's first column.
        begin: what then happens, as `fn`, `inputs`, `outputs`; by default the task is matched.
        fail: what happens when the file is not a picture; by default, it is cleared.
    """
    fit = begin or {
        "fn": matching_task,
        "inputs": [chosen.photo, chosen.task],
        "outputs": chosen.task,
    }
    fit = {**fit, **PRIVATE}
    gone = fail or {"fn": lambda: None, "inputs": None, "outputs": chosen.photo}
    # Progress is hidden, as an error would lie over the photo and stay.
    come: dict[str, Any] = {
        "outputs": chosen.photo, "show_progress": "hidden", **PRIVATE, **EVERY
    }  # fmt: skip
    dropped = chosen.photo.upload(as_read, chosen.photo, **come)
    dropped.failure(**gone, **PRIVATE)
    arrived = chosen.upload.upload(to_show, chosen.upload, **come)
    drawn = chosen.fresh.click(fresh, chosen.task, **come)
    return [
        dropped.success(**fit, **LATEST),
        arrived.success(**fit, **LATEST),
        drawn.success(**fit, **LATEST),
        *(offered.load_input_event.then(**fit, **LATEST) for offered in chosen.examples),
    ]


def leave_with(
    photo: gr.Image, shown: Sequence[Any], runs: Sequence[Any], once: Sequence[Any] = ()
) -> None:
    """Empties the components that show something of a photo when it is removed.

    Whatever is still on its way is dropped; an answer that comes all the same leaves at once.

    Args:
        photo: of the visitor.
        shown: components.
        runs: events that ask about the photo, and about the next one when it comes.
        once: events that ask about this photo alone: dropped when another comes, too.
    """
    if once:
        photo.change(None, cancels=[*once], **PRIVATE)
    photo.clear(**emptied(shown, runs))
    came = [part.change for part in shown if hasattr(part, "change")]
    gr.on(came, None, photo, [*shown], js=f"(photo) => photo ? [] : {_none(shown)}", **PRIVATE)


def emptied(shown: Sequence[Any], runs: Sequence[Any] = ()) -> dict[str, Any]:
    """Arguments of a listener that empties components in the browser and cancels some events.

    Args:
        shown: components.
        runs: events that would fill them.
    """
    js = f"() => {_none(shown)}"
    return {
        "fn": None, "inputs": None, "outputs": [*shown], "js": js, "cancels": [*runs], **PRIVATE
    }  # fmt: skip


def _none(shown: Sequence[Any]) -> str:
    return f"Array({len(shown)}).fill(null)"


class Asked(NamedTuple):
    """The photo, the task's two networks, the tensor that both are shown, and the camera."""

    photo: Photo
    pair: dict[str, Network]
    x: Tensor
    camera: Camera


def pair_and_input(
    networks: Mapping[str, Network],
    photo: Photo | None,
    task: str,
    trunk: str = "plain",
    angle: float = 0.0,
    bounded: bool = False,
) -> Asked:
    """What both networks are asked with; a wrong choice gets one clear sentence."""
    photo, pair = require_photo(photo), pair_of(networks, task, trunk, bounded)
    network = pair["resnet"]
    with as_user_error():
        camera = camera_of(photo, angle=angle)
    x = to_input(photo, effort().config(network.config), network.mean.device, camera)
    return Asked(photo, pair, x, camera)


def pair_of(
    networks: Mapping[str, Network], task: str, trunk: str = "plain", bounded: bool = False
) -> dict[str, Network]:
    """The two networks of a task, or one clear sentence."""
    if task not in TASKS:
        raise user_error(f"There is no such task; choose one of {', '.join(TASKS)}.")
    if trunk not in TRUNKS:
        raise user_error("There is no such trunk; choose plain or backbone.")
    specs = {kind: ModelSpec.for_task(task, trunk, kind, bounded) for kind in KINDS}
    if bounded and specs["resnet"].base not in BOUNDED_TWINS:
        raise user_error("Only Q-tips and the plain networks for rooms come with bounded weights.")
    names = {kind: spec.name for kind, spec in specs.items()}
    missing = [plots.LABELS[kind] for kind, name in names.items() if name not in networks]
    if missing:
        raise user_error(
            f"This server has no {' and no '.join(missing)} for this task; try another."
        )
    return {kind: effort().network(name, networks[name]) for kind, name in names.items()}


def chosen_step(steps: Sequence[Step], number: float) -> Step:
    """The time step of that number, from 1 on; the last one if there are not so many."""
    return steps[min(max(1, int(number)), len(steps)) - 1]


def first(task: str) -> str | Photo:
    """What is shown first for a task: the file of a kitchen, or a drawing."""
    kitchens = examples.kitchens()
    return kitchens[FIRST] if kitchens and task not in examples.DRAWN else example(task, 0)


def example(task: str, index: int) -> Photo:
    """A picture of a drawn task, of the page's size; for rooms, a Q-tip."""
    return examples.drawn(task if task in examples.DRAWN else "qtips", index, SHOWN)


def fresh(task: str) -> Photo:
    """The same, which nobody has seen yet."""
    return example(task, time.time_ns())


def read(path: str) -> Photo:
    """The photo in an uploaded file, or one clear sentence; a warning if it is only a part."""
    try:
        return _told(decoded(path))
    except (OSError, ValueError) as error:
        raise unreadable(error) from None


def to_show(path: str) -> str | Photo:
    """An uploaded file as it is, if every browser shows its picture as it was read, or that."""
    photo = read(path)
    return path if photo.is_plain else photo


def as_read(photo: Photo | None) -> Any:
    """The same for a file that the page shows already."""
    return gr.skip() if _told(still_there(photo)).is_plain else photo


def _told(photo: Photo) -> Photo:
    if photo.is_cut_short:
        gr.Warning(CUT_SHORT, title="Part of a picture")
    return photo


def require_photo(photo: Photo | None) -> Photo:
    """The photo, or the sentence that asks for one."""
    if photo is None:
        raise user_error(NO_PHOTO)
    return photo


def still_there(photo: Photo | None) -> Photo:
    """The photo. If it has been removed, the event ends without a message: the page has one.

    Programs that send no photo get the sentence of `require_photo`.
    """
    if photo is None:
        raise gr.Error(NO_PHOTO, visible=False, print_exception=False)
    return photo


def matching_task(photo: Photo | None, task: str) -> str:
    """The task that matches a new photo: that of a drawn picture, otherwise none of those."""
    drawn = examples.drawn_task(still_there(photo))
    return drawn or ("depth" if task in examples.DRAWN else task)
