"""Reports as plain text, Markdown and self-contained HTML pages."""

from keras_mixup_gan.reports.audit import save_audit

__all__ = [
    "save_audit",
]
