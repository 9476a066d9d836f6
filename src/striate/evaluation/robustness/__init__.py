"""How much accuracy is left when images are shown otherwise: turned, darkened, hidden, cluttered, noisy, blurred."""
