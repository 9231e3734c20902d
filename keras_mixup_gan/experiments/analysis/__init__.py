"""What results show: curves, differences from the undefended arm, verdicts."""
