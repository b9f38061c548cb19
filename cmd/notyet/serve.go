package main

import "github.com/spf13/cobra"

func serveCommand() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Answer DNS queries until told to stop",
		Long: `serve answers DNS queries until SIGINT or SIGTERM; a second signal ends it at once.
A flag replaces what the file says; --watch adds to it, and replaces the file's watch
for the same zone. Neither a file nor a flag is required.

The file is read again when it changes and at a SIGHUP. What it says then takes effect
without a restart, apart from what the log names; when it has a fault, what runs stays.

Sockets that a service manager passes (systemd's socket activation) are answered on instead
of the addresses of --listen and of the file.`,
		Example: `  notyet serve
  notyet serve --listen 127.0.0.1:53 --upstream 192.0.2.1 --upstream tcp://192.0.2.2
  notyet serve --watch preview.example.com,hold=4s
  notyet serve --config /etc/notyet.yaml --log debug`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			outliveReaders() // of the log
			manager, err := serviceManager()
			if err != nil {
				return failure{err}
			}
			defer manager.sockets.Close()
			if passed := manager.sockets.Addrs(); len(passed) > 0 {
				s.listen = passed
			}
			hangup, stop := hangups()
			defer stop()
			from := source{load: s.config, hangup: hangup, manager: manager}
			if s.file != nil {
				from.file = *s.file
			}
			if err := serve(cmd.Context(), from, cmd.ErrOrStderr()); err != nil {
				return failure{err}
			}
			return nil
		},
	}
	s.register(cmd.Flags())
	return cmd
}
