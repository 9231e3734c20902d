"""Reports as plain text, Markdown and self-contained HTML pages."""
