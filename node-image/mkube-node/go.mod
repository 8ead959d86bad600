module github.com/mkube/mkube/node-image/mkube-node

go 1.26.0

require (
	golang.org/x/net v0.59.0
	golang.org/x/sys v0.49.0
)
