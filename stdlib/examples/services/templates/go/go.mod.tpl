module example.com/shop/[[ name ]]

go 1.25
