// Package docker creates nodes that are privileged containers, through the Docker Engine API
// (engine 20.10 and newer). It never runs the docker command.
package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	cliconfig "github.com/docker/cli/cli/config"
	dockercontext "github.com/docker/cli/cli/context"
	clicontext "github.com/docker/cli/cli/context/docker"
	"github.com/docker/cli/cli/context/store"
	cliopts "github.com/docker/cli/opts"
	"github.com/docker/docker/client"
)

// Dial finds the daemon as the docker command does: by DOCKER_HOST (with DOCKER_TLS_VERIFY and
// DOCKER_CERT_PATH), otherwise by the context that DOCKER_CONTEXT or "docker context use" names,
// otherwise at the default socket. It sends nothing yet. See
// https://docs.docker.com/engine/manage-resources/contexts/.
func Dial() (*client.Client, error) {
	name := contextName()
	if name == defaultContext {
		endpoint, err := endpointFromEnv()
		if err != nil {
			return nil, err
		}
		return newClient(endpoint)
	}
	endpoint, err := endpointFromContext(name)
	if err != nil {
		return nil, fmt.Errorf("reading Docker context %q: %w; see docker context ls, or set DOCKER_HOST", name, err)
	}
	return newClient(endpoint)
}

// newClient returns a client of an engine: through the ssh command if the URL requests that,
// otherwise over a socket or TCP.
func newClient(endpoint clicontext.Endpoint) (*client.Client, error) {
	if strings.HasPrefix(endpoint.Host, "ssh://") {
		return sshClient(endpoint.Host)
	}
	opts, err := endpoint.ClientOpts()
	if err != nil {
		return nil, fmt.Errorf("connecting to the Docker daemon at %s: %w", endpoint.Host, err)
	}
	return client.NewClientWithOpts(opts...)
}

// envTLS enables TLS without verification of the engine's certificate.
const envTLS = "DOCKER_TLS"

// defaultContext is the name of the context that consists of the environment variables.
const defaultContext = "default"

// contextName returns the name of the context, in the order of precedence of resolveContextName in
// the docker command.
func contextName() string {
	if os.Getenv(client.EnvOverrideHost) != "" {
		return defaultContext
	}
	if name := os.Getenv("DOCKER_CONTEXT"); name != "" {
		return name
	}
	config, err := cliconfig.Load(cliconfig.Dir())
	if err != nil || config.CurrentContext == "" {
		return defaultContext
	}
	return config.CurrentContext
}

// endpointFromEnv works as resolveDefaultDockerEndpoint in the docker command. FromEnv of the
// client library supports neither ssh:// nor the default of DOCKER_CERT_PATH.
func endpointFromEnv() (clicontext.Endpoint, error) {
	verify := os.Getenv(client.EnvTLSVerify) != ""
	useTLS := verify || os.Getenv(envTLS) != ""
	value := os.Getenv(client.EnvOverrideHost)
	host, err := cliopts.ParseHost(useTLS, value)
	if err != nil {
		return clicontext.Endpoint{}, fmt.Errorf("DOCKER_HOST %q: %w", value, err)
	}
	endpoint := clicontext.Endpoint{EndpointMeta: clicontext.EndpointMeta{Host: host, SkipTLSVerify: useTLS && !verify}}
	if !useTLS || !strings.HasPrefix(host, "tcp://") {
		return endpoint, nil
	}
	dir := cmp.Or(os.Getenv(client.EnvOverrideCertPath), cliconfig.Dir())
	endpoint.TLSData, err = dockercontext.TLSDataFromFiles(filepath.Join(dir, "ca.pem"), clientFile(dir, "cert.pem"), clientFile(dir, "key.pem"))
	if err != nil {
		return clicontext.Endpoint{}, fmt.Errorf("reading the TLS certificates of DOCKER_CERT_PATH: %w", err)
	}
	return endpoint, nil
}

// clientFile returns the path of a file of the client, "" if the file does not exist: an engine may
// not require a certificate of its clients.
func clientFile(dir, name string) string {
	file := filepath.Join(dir, name)
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return file
}

func endpointFromContext(name string) (clicontext.Endpoint, error) {
	contexts := store.New(cliconfig.ContextStoreDir(), store.NewConfig(
		func() any { return &map[string]any{} },
		store.EndpointTypeGetter(clicontext.DockerEndpoint, func() any { return &clicontext.EndpointMeta{} }),
	))
	meta, err := contexts.GetMetadata(name)
	if err != nil {
		return clicontext.Endpoint{}, err
	}
	endpoint, err := clicontext.EndpointFromContext(meta)
	if err != nil {
		return clicontext.Endpoint{}, err
	}
	return clicontext.WithTLSData(contexts, name, endpoint)
}

// reach checks that the daemon answers a ping. The error is one line with the next step.
func reach(ctx context.Context, c *client.Client) error {
	_, err := c.Ping(ctx)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EACCES), strings.Contains(err.Error(), "permission denied"):
		return fmt.Errorf("no permission to use the Docker daemon at %s: add yourself to the docker group (sudo usermod -aG docker $USER, then log in again), or run as root", c.DaemonHost())
	case ctx.Err() != nil:
		return ctx.Err()
	}
	if message, ok := sshMessage(err); ok {
		return fmt.Errorf("the Docker daemon at %s does not answer: make sure that the docker command reaches it, and that it is installed on that host (%s)", c.DaemonHost(), message)
	}
	return fmt.Errorf("the Docker daemon at %s does not answer: start it, or choose another with DOCKER_HOST or docker context use (%w)", c.DaemonHost(), err)
}

// local reports whether the daemon runs on this host, so that mkube can inspect its ports, networks
// and limits.
func local(c *client.Client) bool {
	return strings.HasPrefix(c.DaemonHost(), "unix://")
}
