"""The one template and the charts of every report and page."""
