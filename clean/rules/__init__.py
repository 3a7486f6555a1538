"""Rules: thresholds over signals, and the verdicts that they give. No content is read."""
