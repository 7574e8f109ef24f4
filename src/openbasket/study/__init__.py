"""The paper's human study (section 6.2, supplement 10) as a web application, and its Figure 5.

``design`` reads a study file and checks it against the dataset, ``store`` keeps what participants say,
``app`` serves the pages, ``results`` makes figure and tables out of the answers.
"""
