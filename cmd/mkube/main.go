package main

import (
	"context"
	"fmt"
	"os"

	"github.com/mkube/mkube/pkg/nodeimage"
	"github.com/mkube/mkube/pkg/progress"
	"github.com/mkube/mkube/pkg/provider/docker"
)

func main() {
	c, err := docker.Dial()
	if err != nil {
		panic(err)
	}
	r, err := nodeimage.Build(context.Background(), nodeimage.Options{Source: "node-image", Daemon: docker.NewImages(c), KubernetesVersion: os.Getenv("KV")}, func(e progress.Event) {
		fmt.Println(e.Step, e.State, e.Elapsed, e.Detail)
	})
	fmt.Printf("%+v %v\n", r, err)
}
