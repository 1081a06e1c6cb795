"""The site has the pages where the repository has them, so links hold in both."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
SHOWN = ("*.md", "docs/**/*.md", "weights/*.md", "assets/**/*.*", "examples/*.py", "LICENSE")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Replaces what lies in `docs/` by what the repository shows, under its path from the root."""
    for file in [file for file in files if file.src_dir == config.docs_dir]:
        files.remove(file)
    for path in sorted(found for pattern in SHOWN for found in ROOT.glob(pattern)):
        name = path.relative_to(ROOT).as_posix()
        files.append(File(name, str(ROOT), config.site_dir, config.use_directory_urls))
    return files
