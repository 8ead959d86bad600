package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/nodeimage"
	"github.com/mkube/mkube/pkg/progress"
	"github.com/mkube/mkube/pkg/provider/docker"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	c, err := docker.Dial()
	if err != nil {
		panic(err)
	}
	show := func(e progress.Event) {
		if e.State == progress.Pending || e.State == progress.Running && e.Detail != "" && os.Getenv("V") == "" {
			return
		}
		fmt.Println(time.Now().Format("05.000"), e.Step, e.State, e.Elapsed.Round(time.Millisecond), e.Detail)
	}
	start := time.Now()
	name := "mkube"
	if len(os.Args) > 4 {
		name = os.Args[4]
	}
	switch os.Args[1] {
	case "image":
		r, err := nodeimage.Build(ctx, nodeimage.Options{Source: "node-image", Daemon: docker.NewImages(c), KubernetesVersion: os.Getenv("KV")}, show)
		fmt.Printf("%+v %v\n", r, err)
	case "create":
		cfg := config.Cluster{Name: name, Nodes: []config.Node{{Image: "mkube/node:v1.37.2"}}}.Default()
		_, err := bootstrap.Create(ctx, docker.New(c), cfg, bootstrap.Options{Wait: 60 * time.Second, Retain: os.Getenv("RETAIN") != "", On: show, Kubeconfig: []string{"/tmp/kc"}, SwitchContext: true})
		fmt.Println(err)
	case "delete":
		fmt.Println(bootstrap.Delete(ctx, docker.New(c), name, []string{"/tmp/kc"}))
	}
	fmt.Println(time.Since(start))
}
