FROM golang:1.25 AS build
WORKDIR /src
COPY . .
RUN CGO_ENABLED=0 go build -o /[[ name ]] .

FROM scratch
COPY --from=build /[[ name ]] /[[ name ]]
ENTRYPOINT ["/[[ name ]]"]
