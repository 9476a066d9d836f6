"""The plain nets that anything with filters has to beat: a linear classifier, and two hidden layers."""


def linear(classes: int = 10) -> str:
    """Return the linear classifier: a template picture of each class."""
    return f"fc({classes})"


def mlp(classes: int = 10, side: int = 32, dropout: float = 0.3) -> str:
    """Return two hidden layers, as wide as the images and the classes ask for.

    Arguments:
        side: the shorter side of the images in pixels.
        dropout: rate after each hidden layer.
    """
    smaller = f"avgpool({-(-side // 32)}) " if side > 48 else ""  # more pixels would only be more weights
    first = max(128, min(1024, 32 * side), classes)
    second = max(64, first // 2, classes)
    hidden = f"fc({first}) bn relu dropout({dropout}) fc({second}) bn relu dropout({dropout})"
    return f"{smaller}{hidden} fc({classes})"
