package main

import (
	"fmt"
	"log"
	"net/http"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "[[ name ]]")
	})
	log.Fatal(http.ListenAndServe(":[[ port ]]", nil))
}
