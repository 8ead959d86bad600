package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/klog/v2"
	"sigs.k8s.io/yaml"
)

// The address of the node's etcd, and the files with which the node's API server authenticates to it.
const (
	etcdAddress = "127.0.0.1:2379"
	etcdPKI     = "/etc/kubernetes/pki/"
	// registry is the prefix of the API server's keys, see its flag --etcd-prefix.
	registry = "/registry/"
	// etcdLimit is the maximum time of one request.
	etcdLimit = 10 * time.Second
)

// etcdTool prints the objects that the API server has stored in etcd, for "mkube etcd":
//
//	mkube-etcd get [-o yaml|json|raw] KEY
//	mkube-etcd ls [PREFIX]
//	mkube-etcd watch [PREFIX]
//
// mkube itself uses these commands to change etcd:
//
//	mkube-etcd member add PEERURL       announces a member, before it starts
//	mkube-etcd member remove PEERURL    removes a member; it is no error if there is none
//	mkube-etcd member keep PEERURL...   removes all other members
//	mkube-etcd alarm disarm
//	mkube-etcd check                    stores a value, reads it and deletes it
//
// It runs on a control plane.
func etcdTool() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	err := etcdRun(ctx, os.Args[1:])
	switch {
	case ctx.Err() != nil:
		return 130
	case err != nil:
		fmt.Fprintf(os.Stderr, "Error: %v\n", err)
		return 1
	}
	return 0
}

func etcdRun(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("mkube-etcd", flag.ContinueOnError)
	format := flags.String("o", "yaml", "output format of get: yaml, json or raw")
	if len(args) == 0 {
		return errors.New("say get KEY, ls [PREFIX] or watch [PREFIX]")
	}
	if slices.Contains([]string{"member", "alarm", "check"}, args[0]) {
		// The certificate for health checks exists before that of the API server.
		client, err := etcdClient("etcd/healthcheck-client")
		if err != nil {
			return err
		}
		defer client.Close()
		known, err := etcdAdmin(ctx, client, args)
		if !known {
			return fmt.Errorf("unknown command %q: use member add|remove|keep PEERURL, alarm disarm, or check", strings.Join(args, " "))
		}
		return err
	}
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	key := flags.Arg(0)
	if !strings.HasPrefix(key, "/") {
		key = registry + key
	}
	client, err := etcdClient("apiserver-etcd-client")
	if err != nil {
		return err
	}
	defer client.Close()
	switch args[0] {
	case "get":
		return etcdGet(ctx, client, key, *format)
	case "ls":
		return etcdList(ctx, client, key)
	case "watch":
		return etcdWatch(ctx, client, key)
	}
	return fmt.Errorf("unknown command %q: use get, ls or watch", args[0])
}

// etcdClient returns a client with a certificate of the node, by its name below etcdPKI.
func etcdClient(certificate string) (*clientv3.Client, error) {
	// Without this check, the client would retry until its time limit, and log each attempt.
	conn, err := net.DialTimeout("tcp", etcdAddress, etcdLimit)
	if err != nil {
		return nil, fmt.Errorf("etcd does not answer: %w", err)
	}
	conn.Close()
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	pair, err := tls.LoadX509KeyPair(etcdPKI+certificate+".crt", etcdPKI+certificate+".key")
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(etcdPKI + "etcd/ca.crt")
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, errors.New(etcdPKI + "etcd/ca.crt has no certificate")
	}
	return clientv3.New(clientv3.Config{
		Endpoints: []string{"https://" + etcdAddress}, Logger: zap.NewNop(), DialTimeout: etcdLimit,
		TLS: &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots},
	})
}

func etcdAsk(ctx context.Context, client *clientv3.Client, key string, options ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, etcdLimit)
	defer cancel()
	response, err := client.Get(ctx, key, options...)
	if err != nil {
		return nil, fmt.Errorf("etcd does not answer at %s: %w", etcdAddress, err)
	}
	return response, nil
}

func etcdGet(ctx context.Context, client *clientv3.Client, key, format string) error {
	response, err := etcdAsk(ctx, client, key)
	if err != nil {
		return err
	}
	if len(response.Kvs) == 0 {
		below, err := etcdAsk(ctx, client, key, clientv3.WithPrefix(), clientv3.WithCountOnly())
		if err == nil && below.Count > 0 {
			return fmt.Errorf("there is no key %s, but %d that begin so: mkube etcd ls %s lists them", key, below.Count, key)
		}
		return fmt.Errorf("there is no key %s: mkube etcd ls lists all keys", key)
	}
	text, err := etcdText(response.Kvs[0].Value, format)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(text)
	return err
}

func etcdList(ctx context.Context, client *clientv3.Client, prefix string) error {
	response, err := etcdAsk(ctx, client, prefix, clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		return err
	}
	for _, kv := range response.Kvs {
		if _, err := fmt.Println(string(kv.Key)); err != nil {
			return err
		}
	}
	return nil
}

// etcdWatch prints each change from now on as a YAML document. It ends when it is interrupted, when its
// input ends, or when its output is closed. If the reader was killed, the end of the input is the only
// sign of that.
func etcdWatch(ctx context.Context, client *clientv3.Client, prefix string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	// The message is printed after etcd has created the watch, so no change after the message is
	// missed.
	for changes := range client.Watch(clientv3.WithRequireLeader(ctx), prefix, clientv3.WithPrefix(), clientv3.WithCreatedNotify()) {
		if err := changes.Err(); err != nil {
			return fmt.Errorf("watching %s: %w", prefix, err)
		}
		if changes.Created {
			fmt.Fprintf(os.Stderr, "Watching %s from revision %d on.\n", prefix, changes.Header.Revision)
		}
		for _, change := range changes.Events {
			if err := etcdChange(change); err != nil {
				return err
			}
		}
	}
	return nil
}

func etcdChange(change *clientv3.Event) error {
	var text []byte
	if change.Type == clientv3.EventTypePut {
		var err error
		if text, err = etcdText(change.Kv.Value, "yaml"); err != nil {
			text = fmt.Appendf(nil, "# %v\n", err)
		}
	}
	_, err := fmt.Printf("---\n# %s %s, revision %d\n%s", change.Type, change.Kv.Key, change.Kv.ModRevision, text)
	return err
}

// etcdText converts a value to a format: yaml, json or raw. Kubernetes stores its own objects as
// protobuf, and custom resources as JSON. The result has the API version that etcd stores.
func etcdText(value []byte, format string) ([]byte, error) {
	if format == "raw" {
		return value, nil
	}
	data := value
	if !json.Valid(value) {
		object, err := etcdObject(value)
		if err != nil {
			return nil, err
		}
		if data, err = json.Marshal(object); err != nil {
			return nil, err
		}
	}
	if format == "yaml" {
		return yaml.JSONToYAML(data)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, data, "", "  "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

func etcdObject(value []byte) (runtime.Object, error) {
	if strings.HasPrefix(string(value), "k8s:enc:") {
		return nil, errors.New("the value is encrypted by the API server: -o raw shows its bytes")
	}
	object, kind, err := scheme.Codecs.UniversalDeserializer().Decode(value, nil, nil)
	switch {
	case err != nil && kind != nil:
		return nil, fmt.Errorf("the value is of %s, which this release's client does not know: -o raw shows its bytes", kind)
	case err != nil:
		return nil, errors.New("the value is no object of Kubernetes: -o raw shows its bytes")
	}
	object.GetObjectKind().SetGroupVersionKind(*kind)
	return object, nil
}
