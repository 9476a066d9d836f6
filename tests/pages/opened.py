"""A page in real Chromium, offline, and whatever goes wrong while it opens."""

import numpy as np

SIZES = {"desk": (1280, 900), "phone": (390, 844)}


class Opened:
    """A page that is open, without a network, and all that went wrong in it."""

    def __init__(self, browser, path, size="desk", dark=False):
        width, height = SIZES[size]
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", offline=True
        )
        self.page, self.faults = self.context.new_page(), []
        self.page.on("console", lambda message: self.faults.append(message.text))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", lambda request: self.faults.append(request.url) if request.url[:4] == "http" else None)
        self.page.goto(f"file://{path}")
        if not self.page.evaluate("document.documentElement.scrollWidth <= innerWidth"):
            self.faults.append("the page is wider than the screen")
        if not self.page.evaluate("[...document.images].every((one) => one.complete && one.naturalWidth)"):
            self.faults.append("pictures that are not there")

    def brightness(self, of: str) -> float:
        """How bright the body's colour is, from 0 to 255: of its `color` or `backgroundColor`."""
        found = self.page.evaluate(f"getComputedStyle(document.body).{of}.match(/[0-9]+/g).map(Number)")
        return float(np.mean(found[:3]))
