# [[ name ]]

A service in Go. It listens on port [[ port ]].
