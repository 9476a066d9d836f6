"""How Sphinx builds the site: `make docs`, or `sphinx-build -W docs docs/_build/html`.

Pages are Markdown that reads well without Sphinx. What can be had from the code is made from it: references, what the
examples print and draw, the walkthrough (see building/). Nothing of that is committed.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from striate import __version__

project = "Striate"
author = "The Striate developers"
copyright = "The Striate developers, Apache-2.0"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "building.examples",
    "building.references",
    "building.sources",
    "building.walkthrough",
]
exclude_patterns = ["_build", "building"]
suppress_warnings = ["config.cache"]  # the functions of typing below cannot be kept; the build is a minute anyway

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
highlight_language = "text"  # indented blocks are commands and sentences
smartquotes = False  # --resume stays what is typed
default_role = "code"  # docstrings write `code` as Markdown does
copybutton_prompt_text = "$ "

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_use_type_comments = False
python_maximum_signature_line_length = 88
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False

html_theme = "furo"
html_title = "Striate"
html_show_sourcelink = False
html_copy_source = False
html_static_path = ["building/static"]
html_css_files = ["striate.css"]
html_theme_options = {"navigation_with_keys": True}
