module github.com/mkube/mkube/node-image/pause

go 1.26.0
