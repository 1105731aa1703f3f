"""The image files below a folder of class folders, in the order of torchvision's ImageFolder; and what is left out.

choice: ImageFolder itself is not used. It takes nine suffixes only, reads hidden files and folders, passes over folders
that it may not read, and follows links in circles.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vsam_tune.data.image_file import has_image_suffix, is_image
from vsam_tune.errors import InputError, problem

_SHOWN = 3  # examples of the entries that are left out for one reason

_HIDDEN = "with a name that begins with a dot"
_LINK = "linked to a folder that is read already"
_NO_FILE = "neither file nor folder"
_NO_IMAGE = "not an image that Pillow can read"
_OUTSIDE = "outside of the class folders"


@dataclass(slots=True)
class Listing:
    """The files of one part of a data set.

    Attributes:
        part: the folder of the class folders.
        classes: in alphabetical order; the number of a class is its position.
        files: those to read, class by class.
        labels: the number of the class of each file.
        left_out: the entries that are not read, by reason.
    """

    part: Path
    classes: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    left_out: dict[str, list[Path]] = field(default_factory=dict)

    def leave_out(self, reason: str, path: Path) -> None:
        """Add an entry that is not read."""
        self.left_out.setdefault(reason, []).append(path)


def list_images(part: Path) -> Listing:
    """Return the images in `part`/CLASS, at any depth; only files without the suffix of an image are opened.

    Returns:
        The files by class, then by folder, then by name.

    Raises:
        InputError: there is no class folder, a class has no image, or a folder cannot be read.
    """
    try:
        return _listed(part)
    except OSError as error:
        fix = "check its permissions, or remove it"
        raise InputError(problem(error.filename, "", None, f"cannot be read: {error.strerror}", fix)) from error


def describe_left_out(listings: Sequence[Listing], root: Path) -> str:
    """Return one line about the entries that the listings leave out, with paths from `root`; empty if there is none."""
    reasons: dict[str, list[Path]] = {}
    for listing in listings:
        for reason, paths in listing.left_out.items():
            reasons.setdefault(reason, []).extend(paths)
    counts = [f"{len(paths)} {reason} ({_examples(paths, root)})" for reason, paths in reasons.items()]
    return f"{root}: left out {'; '.join(counts)}" if counts else ""


def _listed(part: Path) -> Listing:
    folders = []
    listing = Listing(part)
    for path in sorted(part.iterdir()):
        if path.name.startswith("."):
            listing.leave_out(_HIDDEN, path)
        elif not path.is_dir():
            listing.leave_out(_OUTSIDE, path)
        elif _contains(path.resolve(), part.resolve()):
            listing.leave_out(_LINK, path)
        else:
            folders.append(path)
    if not folders:
        raise InputError(problem(part, "", None, "contains no class folder", "put images into CLASS/ below it"))
    empty = []
    for label, folder in enumerate(folders):
        found = sorted(_images_below(folder, listing), key=lambda path: (str(path.parent), path.name))
        listing.classes.append(folder.name)
        listing.files += found
        listing.labels += [label] * len(found)
        if not found:
            empty.append(_without_images(folder, listing))
    if empty:
        raise InputError(*empty)
    return listing


def _images_below(folder: Path, listing: Listing) -> Iterator[Path]:
    """Yield the images below a class folder. A folder is read once, however many links lead to it."""
    real = folder.resolve()
    read = {real}
    waiting = [folder]
    while waiting:
        for path in sorted(waiting.pop().iterdir()):
            if path.name.startswith("."):
                listing.leave_out(_HIDDEN, path)
            elif path.is_dir():
                target = path.resolve()
                if target in read or _contains(target, real):
                    listing.leave_out(_LINK, path)
                else:
                    read.add(target)
                    waiting.append(path)
            elif not path.is_file():  # a pipe, or a link to nothing
                listing.leave_out(_NO_FILE, path)
            elif has_image_suffix(path) or is_image(path):
                yield path
            else:
                listing.leave_out(_NO_IMAGE, path)


def _contains(folder: Path, inner: Path) -> bool:
    """Return whether a folder is another one, or contains it; both without links."""
    return folder == inner or folder in inner.parents


def _without_images(folder: Path, listing: Listing) -> str:
    others = [path for paths in listing.left_out.values() for path in paths if folder in path.parents]
    there = f"; there are {_examples(others, folder)}" if others else ""
    return problem(folder, "", None, f"contains no image that Pillow can read{there}", "put images into it")


def _examples(paths: Sequence[Path], root: Path) -> str:
    names = [str(path.relative_to(root)) for path in paths[:_SHOWN]]
    return ", ".join([*names, "..."] if len(paths) > _SHOWN else names)
