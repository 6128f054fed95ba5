"""The dashboard's parts: the only package that imports streamlit. No torch in here, not even indirectly."""
