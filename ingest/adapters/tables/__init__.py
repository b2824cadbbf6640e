"""Tables and arrays that a mapping file describes: CSV, Parquet, NumPy, MATLAB, HDF5, bare numbers."""
