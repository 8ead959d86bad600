package cloudcontrollermanager

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/component-base/metrics/legacyregistry"

	"github.com/mkube/mkube/images/cloud-controller-manager/heartbeat"
	"github.com/mkube/mkube/images/cloud-controller-manager/speaker"
	"github.com/mkube/mkube/images/cloud-controller-manager/view"
)

// node is the node that this program runs on.
type node struct {
	name, ip, kubeconfig, health, key string
}

func (n *node) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&n.name, "node-name", "", "The name of this program's node.")
	fs.StringVar(&n.ip, "node-ip", "", "The address of this program's node on the cluster's network.")
	fs.StringVar(&n.key, "heartbeat-key-file", "", "PEM file with the key by which speakers recognize the heartbeats of the cluster's nodes.")
	fs.StringVar(&n.health, "health-address", "127.0.0.1:10258", "The address that serves /healthz and /metrics over plain HTTP.")
}

// speak runs the node's speaker. It serves the health endpoint once the speaker knows the cluster.
func (n *node) speak(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l, err := n.link()
	if err != nil {
		return err
	}
	c, err := clientcmd.BuildConfigFromFlags("", n.kubeconfig)
	if err != nil {
		return fmt.Errorf("reading the kubeconfig: %w", err)
	}
	client, err := kubernetes.NewForConfig(c)
	if err != nil {
		return err
	}
	key, err := heartbeat.ReadKey(n.key)
	if err != nil {
		return err
	}
	air, err := heartbeat.Listen(ctx, netip.MustParseAddr(n.ip), key) // n.link has parsed it already
	if err != nil {
		return err
	}
	v, err := view.Watch(ctx, client, l.Pools())
	if err != nil {
		return err
	}
	unhealthy, err := n.serveHealth(ctx)
	if err != nil {
		return err
	}
	err = speaker.New(n.name, v, air, l).Run(ctx)
	cancel()
	return errors.Join(err, unhealthy())
}

// serveHealth serves the health endpoint until the context ends. The function ended waits for the end
// of the server. It returns an error if the server ended before the context.
func (n *node) serveHealth(ctx context.Context) (ended func() error, err error) {
	l, err := net.Listen("tcp", n.health)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	mux.Handle("/metrics", legacyregistry.Handler())
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	context.AfterFunc(ctx, func() { server.Close() })
	return func() error {
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}, nil
}
