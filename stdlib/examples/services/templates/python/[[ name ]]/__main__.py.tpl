from http.server import BaseHTTPRequestHandler, HTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"[[ name ]]\n")


HTTPServer(("", [[ port ]]), Handler).serve_forever()
