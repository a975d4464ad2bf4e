"""What draws and writes metrics: the report, its charts, the model card."""
