"""Figures for papers and talks: each is a Vega-Lite chart, written as SVG, PNG, PDF or its specification."""
