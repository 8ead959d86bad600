module github.com/mkube/mkube/node-image/mkube-node

go 1.26.0

require golang.org/x/net v0.59.0
