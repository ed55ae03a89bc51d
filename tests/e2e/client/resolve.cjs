// The tenants' names are known inside the lab alone; here they are at the lab's address. Everything else is as usual.
const dns = require('node:dns');

const usual = dns.lookup;
dns.lookup = (name, options, callback) => {
  if (name.endsWith(`.${process.env.LAB_DOMAIN}`)) {
    return usual(process.env.LAB_ADDRESS, options, callback);
  }
  return usual(name, options, callback);
};
