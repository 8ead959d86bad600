package main

import (
	"net/http"
	"os"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// whenHealthy returns a program that starts only when the API server of its kubeconfig is healthy.
// Controller managers also wait for that, but check only once a second (WaitForAPIServer in
// k8s.io/controller-manager/app). If the first check came shortly before the last hook of the API
// server had finished, the start of the cluster would take a second longer. Informers double their pause
// after each failure (Backoff in k8s.io/client-go/tools/cache), so that kube-network-policies would wait
// for seconds after the boot of a node. After limit, or without a kubeconfig, the program starts, and
// waits by itself.
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

// healthClient returns a client for the API server of the kubeconfig in the arguments, and the URL of
// its health endpoint. The client is nil if there is no kubeconfig, or if it is invalid.
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
