// Package docker makes nodes of privileged containers, through the Docker Engine
// API (engine 20.10 and newer), never the docker command.
package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	cliconfig "github.com/docker/cli/cli/config"
	clicontext "github.com/docker/cli/cli/context/docker"
	"github.com/docker/cli/cli/context/store"
	"github.com/docker/docker/client"
)

// Dial finds the daemon as the docker command does: DOCKER_HOST, else the context
// that DOCKER_CONTEXT or "docker context use" names, else the default socket. It
// sends nothing yet. See https://docs.docker.com/engine/manage-resources/contexts/.
func Dial() (*client.Client, error) {
	name := contextName()
	if name == "default" {
		return client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	}
	opts, err := contextOpts(name)
	if err != nil {
		return nil, fmt.Errorf("reading Docker context %q: %w; see docker context ls, or set DOCKER_HOST", name, err)
	}
	return client.NewClientWithOpts(opts...)
}

// contextName follows the order of the docker command's own resolveContextName.
func contextName() string {
	if os.Getenv(client.EnvOverrideHost) != "" {
		return "default"
	}
	if name := os.Getenv("DOCKER_CONTEXT"); name != "" {
		return name
	}
	config, err := cliconfig.Load(cliconfig.Dir())
	if err != nil || config.CurrentContext == "" {
		return "default"
	}
	return config.CurrentContext
}

func contextOpts(name string) ([]client.Opt, error) {
	contexts := store.New(cliconfig.ContextStoreDir(), store.NewConfig(
		func() any { return &map[string]any{} },
		store.EndpointTypeGetter(clicontext.DockerEndpoint, func() any { return &clicontext.EndpointMeta{} }),
	))
	meta, err := contexts.GetMetadata(name)
	if err != nil {
		return nil, err
	}
	endpoint, err := clicontext.EndpointFromContext(meta)
	if err != nil {
		return nil, err
	}
	withTLS, err := clicontext.WithTLSData(contexts, name, endpoint)
	if err != nil {
		return nil, err
	}
	return withTLS.ClientOpts()
}

// reach asks the daemon for its version, and says in one line what to do when it
// does not answer.
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
	return fmt.Errorf("the Docker daemon at %s does not answer: start it, or name another by DOCKER_HOST or docker context use (%w)", c.DaemonHost(), err)
}

// local reports whether the daemon runs on this machine, so that its ports,
// networks and limits can be looked at from here.
func local(c *client.Client) bool {
	return strings.HasPrefix(c.DaemonHost(), "unix://")
}
