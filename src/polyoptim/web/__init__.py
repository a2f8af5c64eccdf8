"""The playground: a page on which every change shows the whole run again, and the server behind it.

The page's state is its query string, and the server takes the same one: ``/?target=sin(x)&degree=5`` shows what
``/api/train?target=sin(x)&degree=5`` computes and ``/export/train.py?target=sin(x)&degree=5`` hands out.
"""
