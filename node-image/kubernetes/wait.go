package main

import (
	"net/http"
	"os"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// whenHealthy makes a program wait, before it begins, until the API server of its
// kubeconfig is healthy. Controller managers wait for that by themselves, but look
// only once a second (WaitForAPIServer in k8s.io/controller-manager/app): whether its
// first look comes a moment before or after the server's last hook would decide over a
// second of every cluster's start. It is left to do so after limit, or without a
// kubeconfig.
func whenHealthy(program func() int) func() int {
	const pause, limit = 25 * time.Millisecond, 10 * time.Second
	return func() int {
		client, url := healthClient(os.Args)
		for start := time.Now(); client != nil && time.Since(start) < limit; time.Sleep(pause) {
			if response, err := client.Get(url); err == nil {
				response.Body.Close()
				if response.StatusCode == http.StatusOK {
					break
				}
			}
		}
		return program()
	}
}

// healthClient speaks to the API server that the arguments' kubeconfig names, nil
// where there is none.
func healthClient(args []string) (client *http.Client, url string) {
	for _, arg := range args {
		path, ok := strings.CutPrefix(arg, "--kubeconfig=")
		if !ok {
			continue
		}
		config, err := clientcmd.BuildConfigFromFlags("", path)
		if err != nil {
			return nil, ""
		}
		client, err := rest.HTTPClientFor(config)
		if err != nil {
			return nil, ""
		}
		client.Timeout = time.Second
		return client, config.Host + "/healthz"
	}
	return nil, ""
}
