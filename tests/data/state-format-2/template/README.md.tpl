hello [[ name ]]
