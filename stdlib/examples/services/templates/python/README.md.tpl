# [[ name ]]

A service in Python. It listens on port [[ port ]].
