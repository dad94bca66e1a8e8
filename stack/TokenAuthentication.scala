package lacustre

import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.{Files, Paths}
import java.security.MessageDigest
import javax.security.sasl.AuthenticationException

import org.apache.hive.service.auth.PasswdAuthenticationProvider

/** Lets a Thrift client in whose password is the token of this stack, whatever its user name is.
  *
  * Spark's Thrift server offers no shared secret of its own: passwords are checked by LDAP or by a
  * class like this one (hive.server2.custom.authentication.class).
  */
class TokenAuthentication extends PasswdAuthenticationProvider {
  override def Authenticate(user: String, password: String): Unit = {
    val token = Files.readAllBytes(Paths.get(System.getProperty("lacustre.token.file")))
    if (!MessageDigest.isEqual(token, Option(password).getOrElse("").getBytes(UTF_8)))
      throw new AuthenticationException("the password is not the token of this stack")
  }
}
