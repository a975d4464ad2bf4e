"""The 2017 study that keyart grows from: its scores, its pictures, and its rows run again."""
